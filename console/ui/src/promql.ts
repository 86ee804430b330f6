// What can be written at a place of an expression.
import { prom } from "./api";
import { labelName, parseTime, selector } from "./format";
import functions from "./functions.json";

export interface Offer {
  text: string; // what is shown, and found by
  note: string; // what it is
  insert?: string; // what is written, where it is another text
}

export interface Completion {
  from: number; // the part of the text from here
  to: number; // to here is replaced
  offers: Offer[];
}

const aggregations = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"];
const words = ["by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless"];
const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\($/;

type Context = { kind: "name" } | { kind: "label"; metric: string } | { kind: "value"; label: string; metric: string } | { kind: "none" };

/** What stands at a place: the text that was begun there, and of what kind it is. */
export function context(text: string, at: number): { from: number; begun: string; where: Context } {
  let from = at, depth = 0, brace = -1, paren = -1, quote = "", quoted = -1;
  for (let i = 0; i < at; i++) {
    const c = text[i] ?? "";
    if (quote !== "") {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'" || c === "`") [quote, quoted] = [c, i];
    else if (c === "{") brace = i;
    else if (c === "}") brace = -1;
    else if (c === "(") [depth, paren] = [depth + 1, i];
    else if (c === ")") [depth, paren] = [depth - 1, -1];
    else if (c === "[") depth += 1000;
    else if (c === "]") depth -= 1000;
  }
  const metric = (before: number): string => /([a-zA-Z_:][a-zA-Z0-9_:]*)\s*$/.exec(text.slice(0, before))?.[1] ?? "";
  if (quote !== "") {
    const label = brace < 0 ? null : /([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)\s*$/.exec(text.slice(brace, quoted));
    return { from: quoted + 1, begun: text.slice(quoted + 1, at), where: label?.[1] ? { kind: "value", label: label[1], metric: metric(brace) } : { kind: "none" } };
  }
  while (from > 0 && /[a-zA-Z0-9_:]/.test(text[from - 1] ?? "")) from--;
  const begun = text.slice(from, at);
  if (depth >= 1000 || /^[0-9]/.test(begun)) return { from, begun, where: { kind: "none" } };
  if (brace >= 0) return { from, begun, where: { kind: "label", metric: metric(brace) } };
  if (paren >= 0 && grouping.test(text.slice(0, paren + 1))) return { from, begun, where: { kind: "label", metric: "" } };
  return { from, begun, where: { kind: "name" } };
}

const known = new Map<string, { at: number; list: Promise<string[]> }>();

/** A list of the API, asked for once a minute at most. */
function listed(path: string, match?: string): Promise<string[]> {
  const key = `${path} ${match ?? ""}`, old = known.get(key);
  if (old && Date.now() - old.at < 60_000) return old.list;
  const list = prom<string[]>(path, { "match[]": match, limit: "20000" }).then((a) => a.data, () => {
    known.delete(key);
    return [];
  });
  known.set(key, { at: Date.now(), list });
  return list;
}

const most = 40;

/** Those of a list that go with what was begun: that begin so first, then that hold it. */
function fitting(list: Offer[], begun: string): Offer[] {
  const b = begun.toLowerCase();
  const begins = list.filter((o) => o.text.toLowerCase().startsWith(b)), holds = b === "" ? [] : list.filter((o) => o.text.toLowerCase().indexOf(b) > 0);
  return [...begins, ...holds].filter((o) => o.text !== begun).slice(0, most);
}

/** What can be written at a place of an expression. */
export async function complete(text: string, at: number): Promise<Completion> {
  const { from, begun, where } = context(text, at);
  const offers = (list: string[], note: string): Offer[] => list.map((t) => ({ text: t, note }));
  switch (where.kind) {
    case "none":
      return { from, to: at, offers: [] };
    case "value": {
      const list = await listed(`label/${encodeURIComponent(where.label)}/values`, where.metric || undefined);
      return { from, to: at, offers: fitting(offers(list.map((v) => JSON.stringify(v).slice(1, -1)), "value"), begun) };
    }
    case "label": {
      const metric = where.metric || (await mentioned(text));
      const names = (await listed("labels", metric || undefined)).filter((l) => l !== "__name__");
      return { from, to: at, offers: fitting(names.map((l) => ({ text: l, note: "label", insert: labelName(l) })), begun) };
    }
    case "name": {
      if (begun === "") return { from, to: at, offers: [] };
      // A name with dots is offered at its beginning only: what is typed after a dot would not be replaced whole.
      const names = await listed("label/__name__/values"), metrics = (text[from - 1] === "." ? names.filter((n) => selector(n) === n) : names).map((n) => ({ text: n, note: "metric", insert: selector(n) }));
      const calls = Object.entries(functions).map(([name, takes]) => ({ text: name, note: `function (${takes})` }));
      return { from, to: at, offers: fitting([...offers(aggregations, "aggregation"), ...calls, ...metrics, ...offers(words, "keyword")], begun) };
    }
  }
}

/** A metric that the expression names, "" for none. */
async function mentioned(text: string): Promise<string> {
  const names = new Set(await listed("label/__name__/values"));
  return (text.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? []).find((w) => names.has(w)) ?? "";
}

/**
 * Up to when the windows of all flows that some texts name are closed, in ms: 0 where one has
 * closed none, null where no flow is named. Flows of one record have its name, and a number or
 * labels behind it. Texts are an expression and the notes of its answer.
 */
export function closedBy(flows: { flow: string; stored_until: string }[], texts: string[]): number | null {
  const words = new Set(texts.flatMap((t) => t.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? []).map((w) => w.replace(/:+$/, "")));
  const ends = flows.filter((f) => words.has(f.flow.replace(/[#{].*/s, ""))).map((f) => parseTime(f.stored_until) ?? 0);
  return ends.length === 0 ? null : Math.min(...ends);
}
