// All flows: how each is, and how far. Made for a thousand.
import type { JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { get, useAsked } from "../api";
import { bytes, count, duration, many, parseTime } from "../format";
import { Here } from "../installation";
import { at, useParam } from "../place";
import { Shown, sorted, State, Table, Time, type Column } from "../ui";
import { line, Trail } from "../trail";
import type { FlowLine, Flows } from "../types";
import { Empty } from "./empty";

const perPage = 100;
const worst = ["stalled", "failing", "refilling", "empty", "ok"];

export const useFlows = (every: number): ReturnType<typeof useAsked<Flows>> => useAsked("flows", (signal) => get<Flows>("flows", {}, signal), every);

const remembered = 30, lags = new Trail(remembered);

/** The lag of a flow on the last answers, as a line. */
function Spark({ of }: { of: FlowLine }): JSX.Element {
  const values = lags.of(of.flow), points = line(values, 60, 16, remembered, 1);
  return (
    <svg class="spark" viewBox="0 0 60 16" width="60" height="16" role="img" aria-label={`lag on the last ${many(values.length, "look")}, at most ${duration(Math.max(0, ...values))}`}>
      <polyline points={points} fill="none" stroke="currentColor" stroke-width="1.2" />
    </svg>
  );
}

const columns: Column<FlowLine>[] = [
  {
    head: "Flow", grow: true, first: true, sort: (f) => f.flow,
    cell: (f) => (
      <>
        <a href={at(["flow", f.flow])}>{f.flow}</a>
        {f.alerting && <span class="tag">alert</span>}
        <code class="line" title={f.promql}>{f.promql}</code>
        {f.error && <span class="line bad" title={f.error}>{f.error}</span>}
      </>
    ),
  },
  { head: "State", sort: (f) => worst.indexOf(f.state), cell: (f) => <State of={f.state} title={f.error} /> },
  {
    head: "Lag", num: true, title: "how long ago the newest sample landed that the flow has not read, and in how many commits", sort: (f) => f.lag_seconds,
    cell: (f) => <span class="sparked" title={many(f.lag_sequences, "commit")}><Spark of={f} />{f.lag_sequences === 0 ? "none" : duration(f.lag_seconds)}</span>,
  },
  { head: "Closed to", num: true, title: "the end of the newest window that is closed", sort: (f) => parseTime(f.stored_until) ?? 0, cell: (f) => <Time at={f.stored_until} relative none="none yet" /> },
  { head: "Dirty", num: true, title: "closed windows that late samples have touched and that are to be computed again", sort: (f) => f.dirty, cell: (f) => count(f.dirty) },
  { head: "Step", num: true, sort: (f) => f.every, hide: true, cell: (f) => f.every },
  { head: "Rows", num: true, title: "about", sort: (f) => f.rows ?? -1, hide: true, cell: (f) => (f.rows === null ? <span class="dim" title="not counted yet">-</span> : count(f.rows)) },
  { head: "Table", num: true, sort: (f) => f.bytes, hide: true, cell: (f) => bytes(f.bytes) },
  { head: "Memory", num: true, title: "what the process that keeps the flow holds for it", sort: (f) => f.memory?.bytes ?? -1, hide: true, cell: (f) => (f.memory ? bytes(f.memory.bytes) : <span class="dim" title="kept by another process">-</span>) },
];

export function FlowsPage(): JSX.Element {
  const [every, setEvery] = useState(2000), asked = useFlows(every), here = useContext(Here);
  const crowd = (asked.data?.flows.length ?? 0) > 200;
  useEffect(() => setEvery(crowd ? 5000 : 2000), [crowd]); // a thousand take the server some time
  const [find, setFind] = useParam("q"), [state, setState] = useParam("state"), [by] = useParam("sort"), [text, setPage] = useParam("page", "1");
  return (
    <Shown asked={asked}>
      {({ at: looked, flows }) => {
        if (flows.length === 0) return <Empty />;
        lags.note(looked, flows.map((f) => [f.flow, f.lag_sequences === 0 ? 0 : f.lag_seconds]));
        const words = find.toLowerCase().split(/\s+/).filter((w) => w !== "");
        const found = flows.filter((f) => words.every((w) => `${f.flow} ${f.group} ${f.promql}`.toLowerCase().includes(w)));
        const list = found.filter((f) => state === "" || f.state === state);
        const column = columns.find((c) => c.head === by.replace(/^-/, "")), ordered = column ? sorted(list, column, by.startsWith("-")) : list;
        const pages = Math.max(1, Math.ceil(list.length / perPage)), page = Math.min(pages, Math.max(1, Number(text) || 1));
        return (
          <>
            <header class="page">
              <h1>Flows</h1>
              <span class="dim">{many(flows.length, "flow")}{here && ` over ${many(here.series, "series", "series")}`}</span>
            </header>
            <div class="tools">
              <input type="search" data-find placeholder="Filter by name, group or expression" aria-label="filter" value={find}
                onInput={(e) => setFind(e.currentTarget.value)} />
              <div class="choice" role="group" aria-label="state">
                <button type="button" aria-pressed={state === ""} onClick={() => setState("")}>all {count(found.length)}</button>
                {worst.map((s) => [s, found.filter((f) => f.state === s).length] as const).filter(([s, n]) => n > 0 || s === state)
                  .map(([s, n]) => <button key={s} type="button" aria-pressed={state === s} onClick={() => setState(s)}><State of={s} /> {count(n)}</button>)}
              </div>
            </div>
            <Table label="flows" rows={ordered.slice((page - 1) * perPage, page * perPage)} columns={columns} id={(f) => f.flow} param="sort"
              none="No flow is like that. Another filter shows more." />
            {pages > 1 && (
              <div class="pager">
                <button type="button" disabled={page === 1} onClick={() => setPage(String(page - 1))}>Previous</button>
                <span>{count((page - 1) * perPage + 1)} to {count(Math.min(list.length, page * perPage))} of {count(list.length)}</span>
                <button type="button" disabled={page === pages} onClick={() => setPage(String(page + 1))}>Next</button>
              </div>
            )}
          </>
        );
      }}
    </Shown>
  );
}
