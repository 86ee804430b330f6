// Refills and other long work.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post, useAsked, type Failure } from "../api";
import { count, parseTime } from "../format";
import { useForbidden } from "../installation";
import { at, useParam } from "../place";
import { Problem, Shown, State, Table, Time, type Column } from "../ui";
import type { Job } from "../types";

/** How much of a job is done, from 0 to 1. */
export function progress(j: Job): number {
  const from = parseTime(j.from) ?? 0, to = parseTime(j.to) ?? 0, done = parseTime(j.done_up_to);
  if (j.state === "done") return 1;
  return done === null || to <= from ? 0 : Math.min(1, Math.max(0, (done - from) / (to - from)));
}

export const finished = (j: Job): boolean => parseTime(j.finished) !== null;

export const jobColumns: Column<Job>[] = [
  { head: "Job", first: true, cell: (j) => <a href={at(["refill"], { job: String(j.id) })}>{j.kind} {j.id}</a> },
  { head: "State", cell: (j) => <State of={j.state} title={j.error} /> },
  { head: "Flow", grow: true, cell: (j) => <><a href={at(["flow", j.flow])}>{j.flow}</a>{j.error && <span class="line bad" title={j.error}>{j.error}</span>}</> },
  { head: "From", num: true, cell: (j) => <Time at={j.from} /> },
  { head: "To", num: true, cell: (j) => <Time at={j.to} /> },
  { head: "Done", num: true, cell: (j) => <>{Math.floor(progress(j) * 100)} %</> },
  { head: "Rows changed", num: true, cell: (j) => count(j.rows) },
  { head: "Asked for", num: true, hide: true, cell: (j) => <Time at={j.created} relative /> },
];

export function Jobs(): JSX.Element {
  const [flow, setFlow] = useParam("flow"), [failure, fail] = useState<Failure>(), forbidden = useForbidden();
  const asked = useAsked(`jobs ${flow}`, (signal) => get<{ jobs: Job[] }>("jobs", { limit: "200", flow: flow || undefined }, signal), 1000);
  const cancel = async (id: number): Promise<void> => {
    try {
      await post("job/cancel", { id });
      fail(undefined);
    } catch (e) {
      fail(e as Failure);
    }
    asked.again();
  };
  const columns: Column<Job>[] = [...jobColumns, {
    head: "", cell: (j) => !finished(j) && <button type="button" class="small" disabled={forbidden !== ""} title={forbidden} onClick={() => void cancel(j.id)}>Cancel</button>,
  }];
  return (
    <>
      <header class="page"><h1>Jobs</h1>{flow && <span class="dim">of {flow} · <button type="button" class="link" onClick={() => setFlow("")}>all flows</button></span>}
        <span class="grow" /><a class="button" href={at(["refill"], { flow })}>New refill</a></header>
      <Problem error={failure} />
      <Shown asked={asked}>
        {({ jobs }) => <Table label="jobs" rows={jobs} id={(j) => String(j.id)} columns={columns} none={<>No refill was asked for. <a href={at(["refill"], { flow })}>Start one</a> to compute windows again from raw samples.</>} />}
      </Shown>
    </>
  );
}
