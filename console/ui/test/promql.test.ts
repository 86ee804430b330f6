// What stands at a place of an expression; | is where one types.
import assert from "node:assert/strict";
import { test } from "node:test";
import { closedBy, context } from "../src/promql";

const name = { kind: "name" }, none = { kind: "none" };
const label = (metric: string): object => ({ kind: "label", metric });
const values = (of: string, metric: string): object => ({ kind: "value", label: of, metric });

for (const [typed, begun, where] of [
  ["rat|", "rat", name], ["sum(ra|", "ra", name], ["sum by (|", "", label("")], ["sum by (job, co|) (x)", "co", label("")], ["sum by (job) (ra|", "ra", name],
  ["x{|", "", label("x")], ["x{jo|", "jo", label("x")], ["rate(a:b_total{code=\"2\", j|}[5m])", "j", label("a:b_total")], ["{jo|", "jo", label("")],
  ["x{job=\"a|", "a", values("job", "x")], ["x{a=\"1\", job=~\"w|\"}", "w", values("job", "x")], ["x{job!~'|", "", values("job", "x")],
  ["x{job=\"a\\\"b|", "a\\\"b", values("job", "x")], ["rate(x[5|", "5", none], ["rate(x[5m|])", "5m", none], ["1|", "1", none], ["label_replace(x, \"d|", "d", none],
  ["x{a=\"}\"} + y{b|", "b", label("y")], ["a / on(jo|", "jo", label("")], ["a / ignoring (jo|", "jo", label("")], ["a / on(job) group_left(|", "", label("")], ["x{job=\"a\"} + y|", "y", name],
] as const) {
  test(typed, () => {
    const at = typed.indexOf("|"), found = context(typed.replace("|", ""), at);
    assert.equal(found.begun, begun);
    assert.deepEqual(found.where, where);
    assert.equal(found.from, at - begun.length);
  });
}

test("windows are closed up to where those of all flows that are read are", () => {
  const at = (hour: number): number => Date.UTC(2026, 1, 3, hour);
  const flows = [10, 11, 12].map((h) => ({ flow: `x:rate${h}`, stored_until: new Date(at(h)).toISOString() })), none = { flow: "new", stored_until: "-" };
  assert.equal(closedBy([...flows, none], ["sum(x:rate11) / x:rate12{a=\"b\"}"]), at(11));
  assert.equal(closedBy(flows, ["sum(rate(x[5m]))", "PromQL info: answered from flow x:rate12: 5 of 6 steps"]), at(12));
  assert.equal(closedBy([...flows, none], ["x:rate10 + new"]), 0);
  assert.equal(closedBy([{ flow: 'lat:p{q="0.9"}', stored_until: flows[1]?.stored_until ?? "" }, { flow: "lat:p#2", stored_until: flows[0]?.stored_until ?? "" }], ["max(lat:p)"]), at(10));
  assert.equal(closedBy(flows, ["rate(x[5m])", "x:rate1"]), null);
});
