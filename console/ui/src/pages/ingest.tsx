// What comes in, from whom, and what is refused.
import type { JSX } from "preact";
import { get, useAsked } from "../api";
import { bytes, count, many, parseTime } from "../format";
import { Facts, Part, Shown, Table, Time } from "../ui";
import type { Ingest, Senders } from "../types";

export function IngestPage(): JSX.Element {
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
        ["Out of order", count(i.unordered) + share(i.unordered, i.samples), "older than the newest stored sample of their series"],
        ["Repeated", count(i.repeats) + share(i.repeats, i.samples), "equal to the newest stored sample of their series: counted as written"],
        ["Native histograms", count(i.histograms)], ["Requests under way", count(i.requests)],
        ["Buffer", `${bytes(i.buffer_bytes)} of ${bytes(i.buffer_limit)}`, "beyond it senders are told to come again"],
        ["Commits", flushes.length === 0 ? "none" : flushes.map(([how, n]) => `${count(n)} ${how}`).join(", ")],
      ]} />
      <Ages of={i} />
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

/** How old samples are when they come: a bar for each age, and what of all is no older. */
function Ages({ of: i }: { of: Ingest }): JSX.Element | null {
  const all = i.ages.reduce((n, a) => n + a.samples, 0);
  if (all === 0) return null;
  const most = Math.max(...i.ages.map((a) => a.samples));
  let sum = 0;
  const rows = i.ages.map((a, n) => ({ ...a, sum: (sum += a.samples), from: n === 0 ? "" : i.ages[n - 1]!.up_to }));
  const last = rows.findLastIndex((r) => r.samples > 0);
  return (
    <Part title="Lateness" more={<span class="dim">how old samples were when they came; windows close watermark_delay after their end</span>}>
      <Table label="lateness" rows={rows.slice(0, last + 1)} id={(r) => r.up_to} none="" columns={[
        { head: "Age", first: true, cell: (r) => (r.up_to === "-" ? `over ${r.from}` : `up to ${r.up_to}`) },
        { head: "Samples", num: true, cell: (r) => count(r.samples) },
        { head: "", grow: true, cell: (r) => <progress max={most} value={r.samples} aria-label={`${((100 * r.samples) / all).toFixed(1)} %`} /> },
        { head: "No older", num: true, title: "of all samples", cell: (r) => `${((100 * r.sum) / all).toFixed(r.sum < all && r.sum / all > 0.99 ? 3 : 1)} %` },
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
