// What a comparison has found: it agrees only where it went to its end.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { VerifyRun } from "../src/types";
import { verdict } from "../src/verdict";

const run = (state: string, ...flows: [windows: number, differences: number][]): VerifyRun => ({
  id: 1, state, started: "-", finished: "-", done: 0, total: 0,
  result: { seed: 1, flows: flows.map(([windows, differences]) => ({ flow: "x", windows, rows: 0, skipped: null, differences, cells: null })) },
});

for (const [state, flows, says, text] of [
  ["done", [[3, 0], [4, 0]], "agrees", "no difference in 7 windows."],
  ["done", [[3, 2]], "differs", "2 differences in 3 windows."],
  ["done", [], "", "No window was compared."],
  ["done", [[0, 0]], "", "No window was compared."],
  ["failed", [], "", "No window was compared."],
  ["failed", [[1, 0]], "", "No difference in the 1 window that was compared before it ended."],
  ["cancelled", [[5, 0]], "", "No difference in the 5 windows that were compared before it ended."],
  ["cancelled", [[5, 1]], "differs", "1 difference in the 5 windows that were compared before it ended."],
] as [string, [number, number][], string, string][]) {
  test(`${state}, ${JSON.stringify(flows)}`, () => assert.deepEqual(verdict(run(state, ...flows)), { state: says, text }));
}

test("a run that is under way has none; one that ended without a result agrees with nothing", () => {
  assert.equal(verdict(run("running", [3, 0])), null);
  assert.deepEqual(verdict({ ...run("cancelled"), result: null }), { state: "", text: "No window was compared." });
});
