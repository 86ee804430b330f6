// Values as people read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, clock, count, duration, labels, number, parseDuration, parseTime, selector, value } from "../src/format";

test("durations are spelt with two units at most, and read as Prometheus spells them", () => {
  for (const [seconds, want] of [[0, "0s"], [0.0043, "4ms"], [0.0001, "1ms"], [1, "1s"], [9.96, "10s"], [3.4, "3.4s"], [59.6, "1m"], [90, "1m30s"],
    [3600, "1h"], [3661, "1h1m"], [90000, "1d1h"], [-5, "-5s"], [NaN, "-"]] as const) {
    assert.equal(duration(seconds), want, `${seconds}`);
  }
  for (const [text, want] of [["10s", 10], ["1h30m", 5400], ["1d", 86400], ["500ms", 0.5], ["1.5h", 5400], ["", null], ["10", null], ["x", null], ["0s", null]] as const) {
    assert.equal(parseDuration(text), want, text);
  }
});

test("values keep what they say", () => {
  for (const [text, want] of [["0", "0"], ["-0", "0"], ["1", "1"], ["1234.5678", "1,234.57"], ["1234567", "1,234,567"], ["0.05321234", "0.05321"], ["0.00001", "1e-5"],
    ["1500000000000", "1.5e+12"], ["-12.5", "-12.5"], ["-98765.4", "-98,765.4"], ["NaN", "NaN"], ["+Inf", "+Inf"], [Infinity, "+Inf"], [-Infinity, "-Inf"], [NaN, "NaN"], ["100", "100"], ["1000", "1,000"]] as const) {
    assert.equal(value(text), want, String(text));
  }
});

test("counts, bytes, labels and times", () => {
  assert.deepEqual([0, 999, 12345, 1e6, 2.54e9].map(count), ["0", "999", "12,345", "1 M", "2.5 G"]);
  assert.deepEqual([0, 999, 1000, 1234567].map(bytes), ["0 B", "999 B", "1 kB", "1.2 MB"]);
  assert.equal(labels({ __name__: "x", b: 'q"', a: "1" }), '{a="1", b="q\\""}');
  assert.equal(labels({}), "{}");
  assert.deepEqual(["-", "", undefined, "nonsense"].map(parseTime), [null, null, null, null]);
  assert.equal(parseTime("2026-02-03T10:00:00Z"), Date.UTC(2026, 1, 3, 10));
  const noon = new Date(2026, 1, 3, 12, 0, 5).getTime();
  assert.equal(clock(noon, noon), "12:00:05");
  assert.equal(clock(noon, noon + 86_400_000), "Feb 3 12:00:05");
  assert.equal(clock(noon, noon + 400 * 86_400_000), "Feb 3 2026 12:00:05");
  assert.deepEqual([ago(noon, noon), ago(noon, noon + 90_000), ago(noon + 5000, noon)], ["now", "1m30s ago", "in 5s"]);
});

test("numbers as Prometheus spells them, and names that PromQL does not take bare", () => {
  assert.deepEqual(["1.5", "+Inf", "-Inf", "NaN", "count 3, sum 1"].map(number), [1.5, Infinity, -Infinity, NaN, NaN]);
  assert.deepEqual(["job:x_total", "http.requests", 'a"b', "0x"].map(selector), ["job:x_total", '{"http.requests"}', '{"a\\"b"}', '{"0x"}']);
  assert.equal(labels({ "service.name": "a", b: "1" }), '{b="1", "service.name"="a"}');
});
