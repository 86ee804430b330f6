// Comparing tables with raw samples, by Prometheus's own engine.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post, useAsked, type Failure } from "../api";
import { count, labels, many } from "../format";
import { useForbidden } from "../installation";
import { at, useParam } from "../place";
import { Part, Problem, Shown, State, Table, Time } from "../ui";
import type { VerifyRun } from "../types";
import { verdict } from "../verdict";
import { useFlows } from "./flows";

export function Verify(): JSX.Element {
  const [flow, setFlow] = useParam("flow"), [from, setFrom] = useParam("from", "-1h"), [to, setTo] = useParam("to", "now"), [sample, setSample] = useParam("sample", "10%");
  const flows = useFlows(0), forbidden = useForbidden(), [failure, fail] = useState<Failure>();
  const asked = useAsked("verify", (signal) => get<{ process: string; runs: VerifyRun[] }>("verify", {}, signal), 1000);
  const busy = asked.data?.runs.some((r) => r.state === "running") ?? false;
  const act = async (path: string, body: unknown): Promise<void> => {
    try {
      await post(path, body);
      fail(undefined);
    } catch (e) {
      fail(e as Failure);
    }
    asked.again();
  };
  return (
    <>
      <header class="page"><h1>Verify</h1><span class="dim">compute windows from raw samples and compare them with the tables</span></header>
      <form class="fields" onSubmit={(e) => { e.preventDefault(); void act("verify/start", { flows: flow === "" ? [] : [flow], from, to, sample }); }}>
        <label class="grow">Flow<input list="names" data-find value={flow} placeholder="all flows" onChange={(e) => setFlow(e.currentTarget.value)} />
          <datalist id="names">{flows.data?.flows.map((f) => <option key={f.flow} value={f.flow} />)}</datalist></label>
        <label>From<input value={from} size={22} onChange={(e) => setFrom(e.currentTarget.value)} /></label>
        <label>To<input value={to} size={22} onChange={(e) => setTo(e.currentTarget.value)} /></label>
        <label title="how many of the windows">Windows<input value={sample} size={8} onChange={(e) => setSample(e.currentTarget.value)} /></label>
        <button class="main" disabled={busy || forbidden !== ""} title={forbidden}>{busy ? "One is running" : "Compare"}</button>
      </form>
      {forbidden && <p class="note">{forbidden}</p>}
      <Problem error={failure} />
      <Shown asked={asked}>
        {({ runs, process }) => runs.length === 0
          ? <div class="none">Process {process} has compared nothing since it was started.</div>
          : <>{runs.map((r) => <Run key={r.id} of={r} cancel={() => void act("verify/cancel", { id: r.id })} />)}</>}
      </Shown>
    </>
  );
}

/** The most differing cells of a run that are listed. */
const mostCells = 200;

function Run({ of: r, cancel }: { of: VerifyRun; cancel: () => void }): JSX.Element {
  const flows = r.result?.flows ?? [], cells = flows.flatMap((f) => (f.cells ?? []).map((c) => ({ ...c, flow: f.flow }))), found = flows.reduce((n, f) => n + f.differences, 0);
  const says = verdict(r);
  return (
    <Part title={`Run ${r.id}`} more={<><State of={r.state} /><span class="dim"><Time at={r.started} /></span>{r.state === "running" && <button type="button" onClick={cancel}>Cancel</button>}</>}>
      <Problem error={r.error ? { message: r.error } : undefined} />
      {r.state === "running" && <div class="progress"><progress max={Math.max(1, r.total)} value={r.done} /><b class="num">{count(r.done)} of {many(r.total, "window")}</b></div>}
      {says && <p>{says.state && <><State of={says.state} />: </>}{says.text}</p>}
      {flows.length > 0 && (
        <Table label="flows" rows={flows} id={(f) => f.flow} none="" columns={[
          { head: "Flow", first: true, grow: true, cell: (f) => <a href={at(["flow", f.flow])}>{f.flow}</a> }, { head: "Windows", num: true, cell: (f) => count(f.windows) }, { head: "Rows", num: true, cell: (f) => count(f.rows) },
          { head: "Left out", grow: true, cell: (f) => Object.entries(f.skipped ?? {}).filter(([, n]) => n > 0).map(([why, n]) => `${count(n)} ${why.replaceAll("_", " ")}`).join(", ") || "none" },
          { head: "Differences", num: true, cell: (f) => count(f.differences) },
        ]} />
      )}
      {cells.length > 0 && (
        <Table label="differences" rows={cells} most={mostCells} id={(c) => `${c.flow} ${c.window_end} ${labels(c.labels, [])}`} none="" columns={[
          { head: "Group", first: true, grow: true, cell: (c) => <code>{labels(c.labels, [])}</code> }, { head: "Flow", grow: true, cell: (c) => c.flow }, { head: "Kind", cell: (c) => c.kind },
          { head: "Window to", num: true, cell: (c) => <a href={at(["flow", c.flow], { window: String(Date.parse(c.window_end) / 1000) })}><Time at={c.window_end} /></a> },
          { head: "Stored", num: true, cell: (c) => c.stored ?? "no row" }, { head: "Computed", num: true, cell: (c) => c.computed ?? "no row" },
        ]} />
      )}
      {found > Math.min(cells.length, mostCells) && <p class="note">{many(Math.min(cells.length, mostCells), "difference")} listed here, {count(found)} counted.</p>}
    </Part>
  );
}
