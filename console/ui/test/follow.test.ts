// The fold of a subscription against a table that is kept the plain way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Follower } from "../src/follow";

type Handler = (e: { data: string }) => void;

/** The messages that the browser would hand on. */
class Source {
  static last: Source;
  static readonly CLOSED = 2;
  readyState = 1;
  onerror: () => void = () => undefined;
  private readonly handlers = new Map<string, Handler>();
  constructor(readonly url: string) {
    Source.last = this;
  }
  addEventListener(type: string, take: Handler): void {
    this.handlers.set(type, take);
  }
  say(type: string, message: object): void {
    this.handlers.get(type)?.({ data: JSON.stringify({ type, ...message }) });
  }
  close(): void {
    this.readyState = 2;
  }
}

Object.assign(globalThis, { EventSource: Source });

/** Numbers that are the same in each run with a seed. */
function drawer(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

const minute = 60_000, now = Math.floor(Date.now() / minute) * minute;
const iso = (t: number): string => new Date(t).toISOString();

test("a follower has what the table has, whatever comes", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const draw = drawer(seed), table = new Map<string, number>();
    let told = 0, closed: number | null = null;
    const f = new Follower("x", 3_600_000, () => told++, () => undefined), s = Source.last;
    const hello = (): void => s.say("hello", { flows: [{ flow: "x", columns: ["a", "b"], static: { s: "1" } }] });
    hello();
    for (let step = 0; step < 40; step++) {
      const seen = new Set<number>();
      for (let n = draw(4); n > 0; n--) {
        const end = now - minute * draw(8), rows: string[][] = [], gone: string[][] = [], final = end <= (closed ?? 0) || draw(2) === 0, whole = draw(3) === 0;
        if (final) closed = Math.max(closed ?? end, end);
        if (whole && !seen.has(end)) for (const key of [...table.keys()]) if (key.startsWith(`${end} `)) table.delete(key);
        if (whole) seen.add(end);
        for (let g = 0; g < 5; g++) {
          const columns = [`${g}`, g % 2 ? "y" : ""], key = `${end} ${columns.join()}`;
          const kind = draw(3);
          if (kind === 0 && !whole) {
            gone.push(columns);
            table.delete(key);
          } else if (kind === 1) {
            rows.push([...columns, `${step}.5`]);
            table.set(key, step + 0.5);
          }
        }
        s.say("rows", { window_end: iso(end), final, whole, rows, gone });
      }
      if (draw(12) === 0) {
        s.say("reset", { reason: "rebuilt" });
        table.clear();
        closed = null;
        hello();
      }
      const before = told;
      s.say("progress", { position: "1" });
      assert.equal(told, before + 1);
      const got = new Map<string, number>(), { lines, closedUntil } = f.results();
      for (const l of lines) {
        assert.equal(l.labels.s, "1");
        assert.ok(!("b" in l.labels) || l.labels.b !== "", "an empty label is none");
        for (const [t, v] of l.points) got.set(`${t} ${l.labels.a},${l.labels.b ?? ""}`, v);
      }
      assert.deepEqual([...got].sort(), [...table].sort(), `seed ${seed}, step ${step}`);
      assert.equal(closedUntil, closed);
    }
    f.close();
  }
});

test("values as Prometheus spells them, histograms, labels in one column, a refusal", () => {
  let refused = 0;
  const f = new Follower("x", 3_600_000, () => undefined, () => refused++), s = Source.last;
  assert.match(s.url, /^\/api\/v1\/subscribe\?flow=x&from=.*&provisional=true$/);
  s.say("hello", { flows: [{ flow: "x", columns: ["labels"], labels_json: true, static: null }] });
  s.say("rows", { window_end: iso(now), final: false, rows: [['{"a":"1"}', "+Inf"], ['{"a":"2"}', "NaN"], ['{"a":"3"}', "{count:3, sum:1}"], ['{"a":"4"}', "-Inf"]] });
  const { lines, histograms, closedUntil } = f.results();
  assert.deepEqual(lines.map((l) => [l.labels.a, l.points.get(now)]), [["1", Infinity], ["2", NaN], ["4", -Infinity]]);
  assert.deepEqual([histograms, closedUntil], [1, null]);
  s.onerror(); // the connection broke: the browser comes again
  assert.equal(refused, 0);
  s.close();
  s.onerror();
  assert.equal(refused, 1);
});
