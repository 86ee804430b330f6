import assert from "node:assert/strict";
import { test } from "node:test";
import { line, Trail } from "../src/trail";

test("a trail has the newest values of what is still there", () => {
  const t = new Trail(3);
  t.note("1", [["a", 1], ["b", 9]]);
  t.note("1", [["a", 5]]);
  for (const n of [2, 3, 4]) t.note(String(n), [["a", n]]);
  assert.deepEqual(t.of("a"), [2, 3, 4]);
  assert.deepEqual(t.of("b"), []);
});

test("a line ends at the right, and is no higher than its box", () => {
  assert.equal(line([1], 60, 16, 30, 1), "");
  assert.equal(line([0, 2], 58, 16, 30, 1), "56.0,15.0 58.0,1.0");
  assert.equal(line([0, 0], 58, 16, 30, 1), "56.0,15.0 58.0,15.0");
});
