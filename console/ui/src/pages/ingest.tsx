// What comes in, from whom, how late, and what is refused.
import type { JSX } from "preact";
import { get, useAsked } from "../api";
import { bytes, count, duration, many, parseTime } from "../format";
import { there } from "../place";
import { Bar, Facts, Part, Shown, Table, Time } from "../ui";
import type { Ingest, Senders } from "../types";

export function IngestPage(): JSX.Element {
  return there("ingest") ? <Both /> : <><header class="page"><h1>Ingest</h1></header><SendersPart /></>;
}

function Both(): JSX.Element {
  const asked = useAsked("ingest", (signal) => get<Ingest>("ingest", {}, signal), 1000);
  return (
    <>
      <header class="page"><h1>Ingest</h1>{asked.data && <span class="dim">process {asked.data.process}, since <Time at={asked.data.since} /></span>}</header>
      <Shown asked={asked}>{(i) => (i.here ? <Taken of={i} /> : <div class="none">This process takes no samples in. The pages of one that does show what comes.</div>)}</Shown>
      <SendersPart />
    </>
  );
}

const share = (n: number, of: number): string => (of === 0 ? "" : `, ${((100 * n) / of).toFixed(n / of < 0.01 ? 2 : 0)} %`);

function Taken({ of: i }: { of: Ingest }): JSX.Element {
  const flushes = Object.entries(i.flushes).filter(([, n]) => n > 0);
  return (
    <>
      <div class="tiles">
        <div><b class="num">{count(i.rate)}</b><span>samples a second, over the last minute</span></div>
        <div><b class="num">{count(i.samples)}</b><span>samples committed</span></div>
        <div><b class="num">{count(i.series)}</b><span>series{i.series_limit > 0 ? ` of at most ${count(i.series_limit)}` : ""}</span></div>
      </div>
      <Facts items={[
        ["Late or out of order", count(i.unordered) + share(i.unordered, i.samples), "older than the newest stored sample of their series"],
        ["Repeated", count(i.repeats) + share(i.repeats, i.samples), "equal to the newest stored sample of their series: counted as written"],
        ["Native histograms", count(i.histograms)], ["Requests under way", count(i.requests)],
        ["Buffer", `${bytes(i.buffer_bytes)} of ${bytes(i.buffer_limit)}`, "beyond it senders are told to come again"],
        ["Commits", flushes.length === 0 ? "none" : flushes.map(([how, n]) => `${count(n)} ${how}`).join(", ")],
      ]} />
      {i.lateness && i.lateness.counts.some((n) => n > 0) && <Lateness of={i.lateness} />}
      <Part title="Refused" more={<span class="dim">samples that are left out for good</span>}>
        <Table label="refused" rows={i.refused.filter((r) => r.samples > 0)} id={(r) => r.reason} none="Nothing was refused." columns={[
          { head: "Reason", first: true, cell: (r) => r.reason.replaceAll("_", " ") }, { head: "Samples", num: true, cell: (r) => count(r.samples) },
          { head: "The last of them", grow: true, cell: (r) => <code class="wrap">{r.example || "-"}</code> },
          { head: "From", grow: true, cell: (r) => r.sender || "-" }, { head: "At", num: true, cell: (r) => <Time at={r.at} /> },
        ]} />
      </Part>
    </>
  );
}

function Lateness({ of: { le, counts } }: { of: { le: (number | string)[]; counts: number[] } }): JSX.Element {
  const most = Math.max(...counts), all = counts.reduce((a, b) => a + b, 0);
  const rows = counts.map((n, i) => ({ n, to: Number(le[i] ?? Infinity), from: i === 0 ? 0 : Number(le[i - 1]) }));
  return (
    <Part title="How late samples are" more={<span class="dim">from their own time to their commit</span>}>
      <Table label="lateness" rows={rows} id={(r) => String(r.to)} none="" columns={[
        { head: "Late by", first: true, short: true, cell: (r) => (Number.isFinite(r.to) ? `up to ${duration(r.to)}` : `over ${duration(r.from)}`) },
        { head: "Samples", num: true, cell: (r) => count(r.n) + share(r.n, all) }, { head: "", grow: true, cell: (r) => <Bar of={r.n} most={most} /> },
      ]} />
    </Part>
  );
}

function SendersPart(): JSX.Element {
  const asked = useAsked("senders", (signal) => get<Senders>("senders", {}, signal), 10_000);
  return (
    <Part title="Senders" more={<span class="dim">by the new series that they brought</span>}>
      <Shown asked={asked}>
        {({ senders, pairs }) => (
          <>
            <Table label="senders" rows={senders} id={(s) => s.sender} none="Nobody has brought new series in the last week." param="sort" columns={[
              { head: "Sender", first: true, grow: true, sort: (s) => s.sender, cell: (s) => s.sender },
              { head: "Last hour", num: true, sort: (s) => s.created_last_hour, cell: (s) => count(s.created_last_hour) },
              { head: "Last day", num: true, sort: (s) => s.created_last_day, cell: (s) => count(s.created_last_day) },
              { head: "Last week", num: true, sort: (s) => s.created_last_week, cell: (s) => count(s.created_last_week) },
            ]} />
            {pairs.length > 0 && (
              <>
                <h3>{many(pairs.length, "pair")} of replicas</h3>
                <Table label="replicas" rows={pairs} id={(p) => p.cluster} none="" columns={[
                  { head: "Cluster", first: true, grow: true, cell: (p) => p.cluster }, { head: "Listened to", cell: (p) => p.elected },
                  { head: "Since", num: true, cell: (p) => <Time at={p.since} /> },
                  { head: "Last seen", num: true, cell: (p) => (parseTime(p.seen) === null ? "-" : <Time at={p.seen} relative />) },
                ]} />
              </>
            )}
          </>
        )}
      </Shown>
    </Part>
  );
}
