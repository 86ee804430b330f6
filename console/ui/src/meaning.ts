// What the states of a window mean, in words. What is to become of a closed one when a sample
// comes late is the flow's to say.

const always: Record<string, string> = {
  refilling: "a refill is to compute it again", dirty: "late samples have touched it; it is computed again soon",
  open: "more samples are expected", kept: "final, and its raw samples are given up",
};

/** What a state means in a flow with these keys; "" for a state that says nothing. */
export function meaning(state: string, keys: Record<string, string>): string {
  if (state !== "closed") return always[state] ?? "";
  switch (keys.late) {
    case "drop": return "final: late samples stay out of it, unless it is refilled";
    case "side_output": return "final: what late samples add is beside it, unless it is refilled";
  }
  const bound = keys.allowed_lateness;
  return bound ? `final, until a sample comes late; once the watermark is ${bound} past its end, such samples stay out of it` : "final, until a sample comes late";
}
