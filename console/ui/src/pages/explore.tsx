// Any expression, over raw samples and flows: a chart or a table.
import type { JSX } from "preact";
import { get, prom, useAsked, type Prom } from "../api";
import { Chart } from "../chart";
import { clock, count, duration, labels, many, number, parseDuration, selector, value } from "../format";
import { linesOf } from "../live";
import { at, setQuery, useParam, usePlace } from "../place";
import { closedBy } from "../promql";
import type { Flows } from "../types";
import { Choice, Copy, Shown, Table, type Column } from "../ui";
import { Editor } from "./editor";

interface Sample {
  metric: Record<string, string>;
  value?: [number, string];
  values?: [number, string][];
  histogram?: [number, Histogram];
  histograms?: [number, Histogram][];
}

interface Histogram {
  count: string;
  sum: string;
}

interface Result {
  resultType: string;
  result: Sample[] | [number, string];
}

const ranges: [string, string][] = [["15m", "15m"], ["1h", "1h"], ["6h", "6h"], ["1d", "1d"], ["7d", "7d"], ["30d", "30d"]];

/**
 * Steps that charts use, in seconds: of them the smallest with which a span has at most 200
 * points. They are multiples of the usual steps of flows, so that flows can answer.
 */
const steps = [1, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400];

export function Explore(): JSX.Element {
  const { query } = usePlace();
  const [expr] = useParam("expr"), [as, setAs] = useParam("as", "chart"), [open, setOpen] = useParam("provisional");
  return (
    <>
      <header class="page"><h1>Explore</h1><span class="dim">PromQL over raw samples and the results of flows</span></header>
      <Editor value={expr} onRun={(text) => setQuery({ expr: text, run: String(Number(query.get("run") ?? "0") + 1) }, true)} />
      <div class="tools">
        <Choice name="shown as" options={[["chart", "Chart"], ["table", "Table"]]} value={as} onChange={setAs} />
        {as === "chart" ? <Spans /> : <Moment />}
        <label class="check" title="read the results of windows that are still open, too"><input type="checkbox" checked={open !== ""} onChange={(e) => setOpen(e.currentTarget.checked ? "1" : "")} />open windows</label>
        {expr && <><span class="grow" /><Copy text={expr} label="Copy expression" /></>}
      </div>
      {expr === "" ? <Start /> : as === "chart" ? <AsChart expr={expr} /> : <AsTable expr={expr} />}
    </>
  );
}

function Spans(): JSX.Element {
  const [range, setRange] = useParam("range", "1h"), { query } = usePlace();
  if (query.get("from")) return <button type="button" onClick={() => setQuery({ from: undefined, to: undefined }, true)}>Back to now</button>;
  return <Choice name="range" options={ranges} value={range} onChange={setRange} />;
}

function Moment(): JSX.Element {
  const [time, setTime] = useParam("time");
  return <label>At <input value={time} size={22} placeholder="now" title="now, or a time such as 2026-02-03T10:00:00Z" aria-label="time" onChange={(e) => setTime(e.currentTarget.value.trim())} /></label>;
}

function Start(): JSX.Element {
  const asked = useAsked("metrics", async (signal) => (await prom<string[]>("label/__name__/values", { limit: "2000" }, signal)).data);
  return (
    <Shown asked={asked}>
      {(names) => names.length === 0 ? <div class="none">There are no metrics yet. <a href={at([])}>How to send samples</a></div> : (
        <>
          <p class="dim">{many(names.length, "metric")}{names.length === 2000 && ", and more"}; flows are among them under their names.</p>
          <ul class="names">{names.map((n) => <li key={n} data-row tabIndex={-1}><a href={at(["explore"], { expr: selector(n) })}>{n}</a></li>)}</ul>
        </>
      )}
    </Shown>
  );
}

/** A warning or a note without what the engine puts before each. */
const said = (text: string): string => text.replace(/^PromQL (info|warning): /, "");

function Said({ answer, children }: { answer: Prom<unknown> & { took: number }; children: JSX.Element | string }): JSX.Element {
  return (
    <>
      {(answer.warnings ?? []).map((w) => <p key={w} class="said warn">Warning: {said(w)}</p>)}
      {(answer.infos ?? []).map((w) => <p key={w} class="said">Note: {said(w)}</p>)}
      <p class="note">{children}, in {duration(answer.took)}</p>
    </>
  );
}

/** Asks and says how long that took, in seconds. */
async function timed<T>(path: string, params: Record<string, string | undefined>, signal: AbortSignal): Promise<Prom<T> & { took: number }> {
  const began = performance.now(), answer = await prom<T>(path, params, signal);
  return { ...answer, took: (performance.now() - began) / 1000 };
}

function AsChart({ expr }: { expr: string }): JSX.Element {
  const { query } = usePlace(), range = query.get("range") ?? "1h", open = query.get("provisional") ?? "";
  const fixed = query.get("from") ? { from: Number(query.get("from")), to: Number(query.get("to")) } : null;
  const span = fixed ? fixed.to - fixed.from : parseDuration(range) ?? 3600;
  const step = steps.find((s) => span / s <= 200) ?? 86400;
  const asked = useAsked(["range", expr, range, fixed?.from, fixed?.to, open, query.get("run")].join(" "), async (signal) => {
    const to = Math.floor((fixed?.to ?? Date.now() / 1000) / step) * step, from = to - Math.floor(span / step) * step;
    const flows = open ? (await get<Flows>("flows", {}, signal)).flows : []; // before the answer, so that it has no window that is closed since
    const answer = await timed<Result>("query_range", { query: expr, start: String(from), end: String(to), step: String(step), provisional: open || undefined }, signal);
    const series = answer.data.result as Sample[];
    return { ...answer, from, to, series, lines: linesOf(series), closed: closedBy(flows, [expr, ...(answer.infos ?? [])]) };
  });
  return (
    <Shown asked={asked}>
      {(a) => (
        <>
          <Said answer={a}>{`${many(a.series.length, "series", "series")}, a point every ${duration(step)}`}</Said>
          {a.lines.length > 0
            ? <Chart lines={a.lines} from={a.from * 1000} to={a.to * 1000} step={step * 1000} closedUntil={a.closed} named onZoom={(from, to) => setQuery({ from: String(Math.round(from / 1000)), to: String(Math.max(Math.round(to / 1000), Math.round(from / 1000) + 10)) }, true)} />
            : <div class="none">{a.series.length > 0 ? "The results are native histograms, which have no line. Show them as a table." : "Nothing was found in this span."}</div>}
        </>
      )}
    </Shown>
  );
}

interface Row {
  metric: Record<string, string>;
  text: string;
  at: number;
}

const perTable = 500;

function AsTable({ expr }: { expr: string }): JSX.Element {
  const { query } = usePlace(), time = query.get("time") ?? "", open = query.get("provisional") ?? "";
  const asked = useAsked(["instant", expr, time, open, query.get("run")].join(" "), (signal) =>
    timed<Result>("query", { query: expr, time: time === "" || time === "now" ? undefined : time, provisional: open || undefined }, signal));
  return (
    <Shown asked={asked}>
      {(a) => {
        const rows = rowsOf(a.data);
        const names = [...new Set(rows.flatMap((r) => Object.keys(r.metric)))].sort();
        const columns: Column<Row>[] = [
          ...(names.length <= 8
            ? names.map((n, i): Column<Row> => ({ head: n === "__name__" ? "metric" : n, key: `label ${n}`, first: i === 0, sort: (r) => r.metric[n] ?? "", cell: (r) => r.metric[n] ?? "" }))
            : [{ head: "labels", first: true, grow: true, sort: (r: Row): string => labels(r.metric, []), cell: (r: Row) => <code>{labels(r.metric, [])}</code> }]),
          { head: "value", num: true, sort: (r) => number(r.text), cell: (r) => <b title={r.text}>{/^[-+0-9.]/.test(r.text) ? value(r.text) : r.text}</b> },
          { head: "at", num: true, cell: (r) => <time title={new Date(r.at * 1000).toISOString()}>{clock(r.at * 1000)}</time> },
        ];
        return (
          <>
            <Said answer={a}>{rows.length > perTable ? `the first ${perTable} shown of ${count(rows.length)} rows` : many(rows.length, "row")}</Said>
            <Table label="result" rows={rows} most={perTable} columns={columns} id={(r) => `${labels(r.metric, [])} ${r.at}`} param="sort" free none="Nothing was found at this time." />
          </>
        );
      }}
    </Shown>
  );
}

/** The rows of a result: one a sample. */
function rowsOf(r: Result): Row[] {
  if (r.resultType === "scalar" || r.resultType === "string") {
    const [t, v] = r.result as [number, string];
    return [{ metric: {}, text: v, at: t }];
  }
  const spelt = (h: Histogram): string => `count ${value(h.count)}, sum ${value(h.sum)}`;
  return (r.result as Sample[]).flatMap((s) => [
    ...[...(s.value ? [s.value] : []), ...(s.values ?? [])].map(([t, v]) => ({ metric: s.metric, text: v, at: t })),
    ...[...(s.histogram ? [s.histogram] : []), ...(s.histograms ?? [])].map(([t, h]) => ({ metric: s.metric, text: spelt(h), at: t })),
  ]);
}
