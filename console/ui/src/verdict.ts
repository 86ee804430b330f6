// What a comparison has found, in words. It agrees only where it went to its end.
import { many } from "./format";
import type { VerifyRun } from "./types";

export interface Verdict {
  state: "agrees" | "differs" | ""; // "": it can say neither
  text: string;
}

/** The verdict of a run; null while it has none. */
export function verdict(run: VerifyRun): Verdict | null {
  if (run.state === "running") return null;
  const flows = run.result?.flows ?? [];
  const windows = flows.reduce((n, f) => n + f.windows, 0), found = flows.reduce((n, f) => n + f.differences, 0);
  const whole = run.state === "done", compared = `${many(windows, "window")} that ${windows === 1 ? "was" : "were"} compared before it ended`;
  if (found > 0) return { state: "differs", text: `${many(found, "difference")} in ${whole ? many(windows, "window") : `the ${compared}`}.` };
  if (windows === 0) return { state: "", text: "No window was compared." };
  return whole ? { state: "agrees", text: `no difference in ${many(windows, "window")}.` } : { state: "", text: `No difference in the ${compared}.` };
}
