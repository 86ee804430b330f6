// One flow: its results as they come, its windows, and why it is as it is.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, useAsked } from "../api";
import { Chart } from "../chart";
import { ago, bytes, clock, count, duration, labels, many, parseDuration, parseTime } from "../format";
import { mostPoints, stepOf, useResults, type Line, type Span } from "../live";
import { at, setQuery, useParam, usePlace } from "../place";
import { Choice, Code, Facts, Part, Problem, Shown, State, Table, Time } from "../ui";
import type { Flow, Leaf } from "../types";
import { jobColumns } from "./jobs";
import { StatePart } from "./state";
import { Strip, WindowPart } from "./windows";

const ranges: [string, string][] = [["15m", "15m"], ["1h", "1h"], ["6h", "6h"], ["1d", "1d"], ["7d", "7d"]];

export function FlowPage({ name }: { name: string }): JSX.Element {
  const asked = useAsked(`flow ${name}`, (signal) => get<{ flows: Flow[] }>("flow", { flow: name }, signal), 2000);
  return (
    <Shown asked={asked}>
      {({ flows }) => {
        const [only] = flows;
        if (only && flows.length === 1) return <One flow={only} />;
        return (
          <>
            <header class="page"><h1>{name}</h1><span class="dim">a record of {many(flows.length, "rule")}</span></header>
            <Table label="rules" rows={flows} id={(f) => f.flow} none="" columns={[
              { head: "Rule", grow: true, first: true, cell: (f) => <><a href={at(["flow", f.flow])}>{f.flow}</a><code class="line" title={f.promql}>{f.promql}</code></> },
              { head: "State", cell: (f) => <State of={f.state} title={f.error} /> },
            ]} />
          </>
        );
      }}
    </Shown>
  );
}

/** The span in the query, if it is a fixed one. */
function useFixed(): Span | null {
  const { query } = usePlace();
  const from = Number(query.get("from")), to = Number(query.get("to"));
  return from > 0 && to > from ? { from: from * 1000, to: to * 1000 } : null;
}

const seconds = (ms: number): string => String(Math.round(ms / 1000));

export const zoom = (from: number, to: number): void => setQuery({ from: seconds(from), to: seconds(Math.max(to, from + 1000)) }, true);

function One({ flow }: { flow: Flow }): JSX.Element {
  const every = (parseDuration(flow.every) ?? 60) * 1000;
  // An alerting rule is no metric, so that its results come window by window.
  const asked = flow.query !== "", offered = ranges.filter(([, r]) => asked || ((parseDuration(r) ?? 0) * 1000) / every <= 1000);
  const usual = every >= 3_600_000 ? "7d" : every >= 600_000 ? "1d" : offered.some(([, r]) => r === "1h") ? "1h" : "15m";
  const [range, setRange] = useParam("range", usual), [match, setMatch] = useParam("match"), [window] = useParam("window");
  const zoomed = useFixed(), fixed = asked ? zoomed : null, span = (parseDuration(range) ?? 3600) * 1000;
  const results = useResults(flow.flow, flow.query, every, span, fixed);
  const closed = results.data?.closedUntil ?? parseTime(flow.stored_until) ?? 0, chosen = Number(window) * 1000 || null;
  const to = fixed?.to ?? Math.ceil(Date.now() / results.step) * results.step, from = fixed?.from ?? to - span;
  const lines = (results.data?.lines ?? []).filter((l) => match === "" || labels(l.labels).toLowerCase().includes(match.toLowerCase()));
  const sources = flow.sources ?? [], leaves = flow.keys.late !== "recompute" || "allowed_lateness" in flow.keys;
  const dirty = Object.entries(flow.dirty ?? {}).filter(([, n]) => n > 0);
  return (
    <>
      <header class="page">
        <h1>{flow.flow}</h1>
        <State of={flow.state} />
        <span class="grow" />
        <a class="button" href={at(["refill"], { flow: flow.flow, from: "-1h", to: "now" })}>Refill</a>
        <a class="button" href={at(["verify"], { flow: flow.flow })}>Verify</a>
        <a class="button" href={at(["explore"], { expr: flow.query || flow.promql })}>Explore</a>
      </header>
      {flow.error && <Problem title={`${flow.flow} is ${flow.state}${flow.stalled_since && flow.stalled_since !== "-" ? ` since ${clock(parseTime(flow.stalled_since) ?? 0)}` : ""}`} error={{ message: flow.error, hint: flow.hint }} />}
      <Code text={flow.promql} />
      <Facts items={[
        ["Step", flow.every], ["Closed to", <Time at={flow.stored_until} none="none yet" />, "the end of the newest window that is closed"],
        ["Lag", flow.lag_sequences === 0 ? "none" : `${duration(flow.lag_seconds)}, ${many(flow.lag_sequences, "commit")}`],
        ["To compute again", dirty.length === 0 ? "nothing" : dirty.map(([why, n]) => `${many(n, "window")}, ${why}`).join("; "), "closed windows on the dirty list, by reason"],
        ["Rows", flow.rows === null ? "not counted yet" : `about ${count(flow.rows)}`], ["Table", <>{flow.table}, {bytes(flow.bytes)}</>],
        ["Memory", flow.memory ? `${bytes(flow.memory.bytes)} for ${many(flow.memory.series, "series", "series")}` : "kept by another process"],
        ["Last round", flow.memory && parseTime(flow.memory.rounded_at) ? `${ago(parseTime(flow.memory.rounded_at) ?? 0)}, took ${duration(flow.memory.round_seconds)}` : flow.memory ? "none yet" : "made by another process"],
        ["Read up to", <code>{flow.vector}</code>, "the newest commit of each region whose samples are in the results"], ["Group", flow.group, "flows of one group are computed together and show one position"],
      ]} />
      {sources.length > 0 && <Sources of={sources} />}
      <Part title="Results" more={
        <div class="tools">
          <input type="search" data-find placeholder="Filter groups" aria-label="filter groups" value={match} onInput={(e) => setMatch(e.currentTarget.value)} />
          {fixed
            ? <button type="button" onClick={() => setQuery({ from: undefined, to: undefined }, true)}>Back to now</button>
            : <Choice name="range" options={offered} value={range} onChange={setRange} />}
        </div>
      }>
        <Problem error={results.error} />
        <Newest lines={lines} closed={closed} />
        {lines.length > 0
          ? <Chart lines={lines} from={from} to={to} step={results.step} closedUntil={closed} mark={chosen} onZoom={asked ? zoom : undefined} />
          : results.data && <div class="none">{match ? "No group is like that." : results.data.histograms > 0
              ? <>The results are native histograms, which have no line here. <a href={at(["explore"], { expr: flow.query })}>Explore</a> shows them.</>
              : flow.state === "empty" ? "No samples have come that this flow reads." : "There are no results in this span."}</div>}
        {results.step > every && <p class="note">One point stands for {duration(results.step / 1000)} here; {duration(Math.floor(mostPoints * every / 1000))} and less show every window. Drag over the chart to look closer.</p>}
        <Strip flow={flow} from={from} to={to} step={fixed ? 0 : stepOf(span, every, mostPoints)} chosen={chosen} />
      </Part>
      {chosen && <WindowPart flow={flow} end={chosen} every={every} />}
      <Kept flow={flow} />
      {flow.alert && (
        <Part title={`Alert ${flow.alert.alertname}`}>
          <Facts items={[["Pending for", flow.alert.for], ["Keeps firing for", flow.alert.keep_firing_for], ["Labels", <code>{labels(flow.alert.labels ?? {})}</code>], ["Now", many(flow.alert.alerts.length, "alert")]]} />
          <p><a href={at(["alerts"], { q: flow.alert.alertname })}>All alerts of it</a></p>
        </Part>
      )}
      <StatePart flow={flow.flow} window={chosen} />
      <Part title="Read it">
        <Code label="SQL" text={flow.sql} />
        {asked && <Code label="PromQL" text={flow.query} />}
        <details><summary>Columns of {flow.table}</summary>
          <Table label="columns" rows={flow.columns} id={(c) => c.name} none="The table is made when the flow has begun." columns={[
            { head: "Column", first: true, cell: (c) => <code>{c.name}</code> }, { head: "Type", grow: true, cell: (c) => c.type },
          ]} />
        </details>
      </Part>
      <Part title="Refills" more={<a href={at(["jobs"], { flow: flow.flow })}>All</a>}>
        <Table label="refills" rows={flow.recent_jobs} id={(j) => String(j.id)} columns={jobColumns.filter((c) => c.head !== "Flow")} none="None was asked for." />
      </Part>
      {(leaves || flow.left_out > 0 || flow.clashes > 0 || flow.folded) && (
        <Part title="What is not in the table">
          <Facts items={[
            leaves && ["Late samples", many(flow.late_samples ?? 0, "sample"), "that came too late for windows which were closed; an explicit refill takes them in"],
            leaves && ["Missing now from", many(flow.late_windows ?? 0, "window"), "laminar.late_window names them"],
            flow.folded && ["Groups without a row", <>all but {many(flow.max_groups ?? 0, "group")}, folded into <code>__other__</code></>],
            flow.left_out > 0 && ["Refused by PostgreSQL", `${many(flow.left_out, "label set")}, the last: ${flow.left_out_row ?? "-"}`],
            flow.clashes > 0 && ["Given by another rule, too", `${many(flow.clashes, "row")}, the newest: ${flow.clash_row ?? "-"}`],
          ]} />
        </Part>
      )}
    </>
  );
}

/** Where the samples come from that the watermark goes by. The one that holds it comes first, then those that are behind. */
function Sources({ of }: { of: NonNullable<Flow["sources"]> }): JSX.Element {
  const turn = ["holds", "active", "idle"];
  const sorted = [...of].sort((a, b) => turn.indexOf(a.state) - turn.indexOf(b.state) || (parseTime(a.newest_sample) ?? 0) - (parseTime(b.newest_sample) ?? 0));
  const [first] = sorted, holds = first?.state === "holds" ? first : undefined;
  const newest = Math.max(...of.map((s) => parseTime(s.newest_sample) ?? 0)), behind = holds ? (newest - (parseTime(holds.newest_sample) ?? newest)) / 1000 : 0;
  return (
    <Part title="Sources of the watermark" more={<span class="dim">{holds ? `${labels(holds.labels)} holds it${behind > 0 ? `, ${duration(behind)} behind the newest` : ""}` : "all are idle: it follows the clock"}</span>}>
      <Table label="sources" rows={sorted} id={(s) => labels(s.labels)} none="" columns={[
        { head: "Source", grow: true, first: true, cell: (s) => <code>{labels(s.labels)}</code> },
        { head: "State", cell: (s) => <State of={s.state} title={sourceStates[s.state]} /> },
        { head: "Newest sample", cell: (s) => <Time at={s.newest_sample} /> }, { head: "Last commit", cell: (s) => <Time at={s.committed_at} relative /> },
      ]} />
    </Part>
  );
}

const sourceStates: Record<string, string> = {
  holds: "the watermark does not pass its newest sample", active: "it is ahead of the one that holds the watermark",
  idle: "nothing of it was committed of late, so it does not count",
};

/** The newest values in words: for those who cannot see a chart, and for programs. */
function Newest({ lines, closed }: { lines: Line[]; closed: number }): JSX.Element | null {
  let newest = -Infinity;
  for (const l of lines) for (const t of l.points.keys()) newest = Math.max(newest, t);
  if (!Number.isFinite(newest)) return null;
  return <p class="note">{many(lines.length, "group")}, the newest window ends at {clock(newest)}{newest > closed ? " and is still open: dashed" : ""}.</p>;
}

function Kept({ flow }: { flow: Flow }): JSX.Element {
  const e = flow.explained ?? {};
  const [open, setOpen] = useState(false);
  return (
    <Part title="How it is kept" more={<span class="dim">{flow.mode}</span>}>
      <ul class="plain">{(flow.kept ?? []).map((line) => <li key={line}>{line}</li>)}</ul>
      <Facts items={[
        ...Object.entries(flow.keys).filter(([key]) => key !== "relabel").map(([key, value]): [string, JSX.Element] => [key, <code>{value}</code>]),
        e.why && ["Why", e.why], e.residual && ["Over the leaves", <code>{e.residual}</code>, "what Prometheus's engine computes of the leaves' results"],
        e.executor && ["Read by", <>{e.executor}{e.said_by && ` (${e.said_by})`}</>, "columnar reads segments and folds them here, pushdown has the database aggregate"],
        flow.reads?.length > 0 && ["Reads the results of", <Names of={flow.reads} />], flow.read_by?.length > 0 && ["Is read by", <Names of={flow.read_by} />],
      ]} />
      <Table label="leaves" rows={e.leaves ?? []} id={(l) => l.leaf} none="It has no part that is kept: each window is computed whole." columns={[
        { head: "Leaf", grow: true, first: true, cell: (l) => <code>{l.leaf}</code> },
        { head: "State", cell: (l) => l.state }, { head: "Range", num: true, cell: (l) => l.range },
        { head: "Pane", num: true, title: "the slice of time that state is kept for", cell: (l) => `${l.panes} × ${l.pane}` },
        { head: "Shared with", grow: true, cell: (l) => <Names of={l.shared_with ?? []} /> },
      ]} />
      <p>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? "Hide how the newest samples are read" : "How are the newest samples read?"}</button>
      </p>
      {open && <Reading flow={flow.flow} />}
    </Part>
  );
}

interface Read extends Leaf {
  read?: Record<string, unknown>;
}

function Reading({ flow }: { flow: string }): JSX.Element {
  const asked = useAsked(`explain ${flow}`, (signal) => get<{ flows: { data?: Record<string, unknown>; leaves?: Read[] }[] }>("flow/explain", { flow }, signal));
  return (
    <Shown asked={asked}>
      {({ flows }) => (
        <Table label="reading" rows={flows.flatMap((f) => f.leaves ?? [])} id={(l) => l.leaf} none="Nothing is read by leaf." columns={[
          { head: "Leaf", first: true, cell: (l) => <code>{l.leaf}</code> },
          { head: "Executor", cell: (l) => l.executor ?? "-" }, { head: "Because", grow: true, cell: (l) => l.reason ?? l.cannot_push ?? "-" },
          { head: "Reads", grow: true, cell: (l) => l.read ? Object.entries(l.read).filter(([, v]) => typeof v !== "object").map(([k, v]) => `${k.replaceAll("_", " ")} ${String(v)}`).join(", ") : "-" },
        ]} />
      )}
    </Shown>
  );
}

function Names({ of }: { of: string[] }): JSX.Element {
  return <>{of.map((name, i) => <span key={name}>{i > 0 && ", "}<a href={at(["flow", name])}>{name}</a></span>)}</>;
}
