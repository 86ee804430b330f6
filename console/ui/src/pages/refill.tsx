// Computing a span of a flow again: what it will read, then how far it is.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post, useAsked, type Failure } from "../api";
import { bytes, count, duration, many, parseTime } from "../format";
import { useForbidden } from "../installation";
import { at, go, useParam } from "../place";
import { Facts, Part, Problem, Shown, State, Table, Time } from "../ui";
import type { Job, Plan } from "../types";
import { useFlows } from "./flows";
import { finished, progress } from "./jobs";

export function Refill(): JSX.Element {
  const [jobs] = useParam("job");
  return (
    <>
      <header class="page"><h1>Refill</h1><span class="dim">compute windows again from all raw samples</span></header>
      {jobs === "" ? <Plans /> : <Following ids={jobs.split(",").map(Number)} />}
    </>
  );
}

function Plans(): JSX.Element {
  const [flow, setFlow] = useParam("flow"), [from, setFrom] = useParam("from", "-1h"), [to, setTo] = useParam("to", "now"), [cascade, setCascade] = useParam("cascade", "1"), readers = cascade !== "0";
  const flows = useFlows(0), forbidden = useForbidden(), [failure, fail] = useState<Failure>(), [busy, setBusy] = useState(false);
  const asked = useAsked(flow === "" ? null : ["plan", flow, from, to, cascade].join(" "),
    (signal) => get<Plan>("refill/plan", { flow, from, to, cascade: String(readers) }, signal), 10_000);
  const start = async (plan: Plan): Promise<void> => {
    // What is shown is started: -1h is an hour before the plan was made.
    const [planned] = plan.flows.filter((f) => f.asked);
    if (!planned) return;
    setBusy(true);
    try {
      const { jobs } = await post<{ jobs: Job[] }>("refill/start", { flow, from: planned.from, to: planned.to, cascade: readers });
      go(at(["refill"], { job: jobs.map((j) => j.id).join(",") }));
    } catch (e) {
      fail(e as Failure);
      setBusy(false);
    }
  };
  return (
    <>
      <div class="fields">
        <label class="grow">Flow<input list="names" data-find value={flow} placeholder="the name of a flow" onChange={(e) => setFlow(e.currentTarget.value)} />
          <datalist id="names">{flows.data?.flows.map((f) => <option key={f.flow} value={f.flow} />)}</datalist></label>
        <label>From<input value={from} size={22} onChange={(e) => setFrom(e.currentTarget.value)} /></label>
        <label>To<input value={to} size={22} onChange={(e) => setTo(e.currentTarget.value)} /></label>
        <label class="check"><input type="checkbox" checked={readers} onChange={(e) => setCascade(e.currentTarget.checked ? "1" : "0")} />with the flows that read it</label>
      </div>
      <p class="note">Times are such as <code>-2h</code>, <code>now</code>, <code>2026-02-03T10:00:00Z</code>. Windows that end in the span are computed; stored results stay until theirs are.</p>
      {flow !== "" && (
        <Part title="What it will do">
          <Shown asked={asked}>
            {(plan) => (
              <>
                <Table label="plan" rows={plan.flows} id={(f) => f.flow} none="No flow." columns={[
                  { head: "Flow", first: true, grow: true, cell: (f) => <><a href={at(["flow", f.flow])}>{f.flow}</a>{!f.asked && <span class="tag">reads it</span>}
                    {f.refused && <span class="line bad whole">{f.refused}{f.hint && ` ${f.hint}`}</span>}</> },
                  { head: "From", num: true, cell: (f) => <Time at={f.from} /> }, { head: "To", num: true, cell: (f) => <Time at={f.to} /> },
                  { head: "Windows", num: true, cell: (f) => count(f.windows) }, { head: "Rows stored now", num: true, cell: (f) => count(f.rows) },
                  { head: "Samples to read", num: true, title: "about", cell: (f) => `${count(f.samples)}, ${bytes(f.bytes)}` },
                  { head: "Takes about", num: true, cell: (f) => <span title={f.pace ? `as job ${f.pace} did` : "by what is usual: the flow has had no refill that tells"}>{duration(f.seconds)}</span> },
                ]} />
                <div class="act">
                  <button type="button" class="main" disabled={plan.refused || forbidden !== "" || busy || plan.windows === 0} onClick={() => void start(plan)}>
                    Compute {many(plan.windows, "window")} again
                  </button>
                  <span class="dim">{plan.refused ? "It would be refused, for the reason above." : plan.windows === 0 ? "There is no window in this span." : forbidden || `It takes about ${duration(plan.seconds)}, runs beside the live work, and survives a restart.`}</span>
                </div>
              </>
            )}
          </Shown>
          <Problem error={failure} />
        </Part>
      )}
    </>
  );
}

function Following({ ids }: { ids: number[] }): JSX.Element {
  const [ended, end] = useState(false);
  const asked = useAsked(`jobs ${ids.join()}`, async (signal) => {
    const jobs = await Promise.all(ids.map((id) => get<Job>("job", { id: String(id) }, signal)));
    end(jobs.every(finished));
    return jobs;
  }, ended ? 0 : 500);
  return <Shown asked={asked}>{(jobs) => <>{jobs.map((j) => <Follow key={j.id} job={j} again={asked.again} />)}</>}</Shown>;
}

function Follow({ job: j, again }: { job: Job; again: () => void }): JSX.Element {
  const forbidden = useForbidden(), [failure, fail] = useState<Failure>();
  const part = j.windows_all && j.windows_done !== undefined && j.state !== "done" ? Math.min(1, j.windows_done / j.windows_all) : progress(j);
  const from = parseTime(j.from) ?? 0, to = parseTime(j.to) ?? 0, started = parseTime(j.started), ended = parseTime(j.finished);
  const cancel = async (): Promise<void> => {
    try {
      await post("job/cancel", { id: j.id });
    } catch (e) {
      fail(e as Failure);
    }
    again();
  };
  return (
    <Part title={`${j.kind} ${j.id} of ${j.flow}`} more={!finished(j) && <button type="button" disabled={forbidden !== ""} title={forbidden} onClick={() => void cancel()}>Cancel</button>}>
      <Problem error={failure ?? (j.error ? { message: j.error } : undefined)} />
      <div class="progress"><State of={j.state} /><progress max={1} value={part} /><b class="num">{Math.floor(part * 100)} %</b></div>
      <Facts items={[
        ["Span", <><Time at={j.from} /> to <Time at={j.to} /></>], ["Done up to", <Time at={j.done_up_to} none="none yet" />],
        j.windows_all !== undefined && j.windows_done !== undefined && ["Windows passed", `${count(j.windows_done)} of ${count(j.windows_all)}`, "computed, or without samples to compute"],
        ["Windows computed", count(j.windows), "the others have no samples"], ["Rows changed", count(j.rows)],
        ["Asked for", <Time at={j.created} />], ["Took", started === null ? "not started yet" : duration(((ended ?? Date.now()) - started) / 1000)],
      ]} />
      <p><a href={at(["flow", j.flow], { from: String(from / 1000), to: String(to / 1000) })}>Results of the span</a> · <a href={at(["jobs"])}>All jobs</a> ·{" "}
        <a href={at(["refill"], { flow: j.flow })}>Another refill</a></p>
    </Part>
  );
}
