// What a closed window is depends on what the flow does with late samples.
import assert from "node:assert/strict";
import { test } from "node:test";
import { meaning } from "../src/meaning";

for (const [keys, says, not] of [
  [{ late: "recompute" }, /^final, until a sample comes late$/, /stay out/],
  [{ late: "recompute", allowed_lateness: "1h" }, /until a sample comes late; .* 1h past its end/, /beside/],
  [{ late: "drop" }, /late samples stay out/, /until a sample/],
  [{ late: "side_output" }, /beside it/, /until a sample/],
] as [Record<string, string>, RegExp, RegExp][]) {
  test(`closed, with ${JSON.stringify(keys)}`, () => {
    assert.match(meaning("closed", keys), says);
    assert.doesNotMatch(meaning("closed", keys), not);
  });
}

test("the other states mean the same in every flow, and a window that is none nothing", () => {
  for (const state of ["refilling", "dirty", "open", "kept"]) {
    assert.notEqual(meaning(state, {}), "");
    assert.equal(meaning(state, { late: "drop" }), meaning(state, { late: "recompute" }));
  }
  assert.equal(meaning("none", {}), "");
});
