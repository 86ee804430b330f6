// What raw samples take, how long they are kept, and which processes there are.
import type { JSX } from "preact";
import { get, useAsked } from "../api";
import { bytes, count, many, selector } from "../format";
import { at } from "../place";
import { Bar, Facts, Part, Problem, Shown, State, Table, Time } from "../ui";
import type { Status, Storage } from "../types";

export function StoragePage(): JSX.Element {
  const asked = useAsked("storage", (signal) => get<Storage>("storage", {}, signal), 60_000);
  return (
    <>
      <header class="page"><h1>Storage</h1></header>
      <Shown asked={asked}>{(s) => <Stored of={s} />}</Shown>
      <Processes />
    </>
  );
}

function Stored({ of: { raw, retention: r, regions, generations, metrics, metrics_more } }: { of: Storage }): JSX.Element {
  const most = Math.max(...metrics.map((m) => m.bytes), 1);
  return (
    <>
      <div class="tiles">
        <div><b class="num">{bytes(raw.hot_bytes + raw.sealed_bytes)}</b><span>raw samples</span></div>
        <div><b class="num">{bytes(raw.sealed_bytes)}</b><span>of it sealed, {many(raw.sealed_segments, "segment")}</span></div>
        <div><b class="num">{bytes(raw.hot_bytes)}</b><span>hot, {many(raw.hot_segments, "segment")}</span></div>
        <div><b class="num">{count(raw.series)}</b><span>series of {many(raw.metrics, "metric")}</span></div>
      </div>
      <Part title="Retention">
        {r.held && <Problem title="Retention stands still until a person confirms it" error={{
          message: `It would give up the samples up to ${r.held.to}, about ${many(r.held.segments, "segment")}. Held since ${r.held.since}.`, hint: "laminar retention confirm, or set the clock of whoever sends samples of the future",
        }} />}
        {r.future && <Problem error={{ message: "Samples are given up that are still to come.", hint: "laminar retention restore takes it back" }} />}
        <Facts items={[
          ["Samples are kept", r.kept === "-" ? "for ever" : r.kept], ["Given up before", <Time at={r.earliest} none="none yet" />, "windows that need older samples cannot be computed again"],
          ["Removed before", <Time at={r.dropped} none="none yet" />], ["Last step", <Time at={r.last_step} relative none="none yet" />], ["Newest sample", <Time at={r.newest_sample} relative none="none yet" />], ["Clock of the database", <Time at={r.clock} />],
        ]} />
      </Part>
      <Part title="Metrics" more={<span class="dim">the largest, about</span>}>
        <Table label="metrics" rows={metrics} id={(m) => m.metric} param="sort" none="There are none yet." columns={[
          { head: "Metric", first: true, sort: (m) => m.metric, cell: (m) => <a href={at(["explore"], { expr: selector(m.metric) })}>{m.metric}</a> },
          { head: "Series", num: true, sort: (m) => m.series, cell: (m) => count(m.series) }, { head: "Samples", num: true, sort: (m) => m.samples, cell: (m) => count(m.samples) },
          { head: "Bytes", num: true, sort: (m) => m.bytes, cell: (m) => bytes(m.bytes) },
          { head: "A sample", num: true, title: "bytes a sample", sort: (m) => m.bytes_per_sample, cell: (m) => `${m.bytes_per_sample.toFixed(1)} B` },
          { head: "", grow: true, hide: true, cell: (m) => <Bar of={m.bytes} most={most} /> },
        ]} />
        {(metrics_more ?? 0) > 0 && <p class="note">and {count(metrics_more ?? 0)} more</p>}
      </Part>
      <div class="halves">
        <Part title="Regions">
          <Table label="regions" rows={regions} id={(g) => String(g.region)} none="" columns={[
            { head: "Region", first: true, short: true, cell: (g) => g.region }, { head: "Newest commit", num: true, cell: (g) => count(g.sequence) },
            { head: "Generation", num: true, cell: (g) => g.generation }, { head: "At", num: true, cell: (g) => <Time at={g.last_flush} relative none="none yet" /> },
          ]} />
        </Part>
        <Part title="Generations" more={<span class="dim">of samples that are not sealed</span>}>
          <Table label="generations" rows={generations} id={(g) => String(g.generation)} none="" columns={[
            { head: "Generation", first: true, short: true, cell: (g) => g.generation }, { head: "State", cell: (g) => g.state },
            { head: "Segments", num: true, cell: (g) => count(g.segments) }, { head: "Bytes", num: true, cell: (g) => bytes(g.bytes) },
          ]} />
        </Part>
      </div>
    </>
  );
}

function Processes(): JSX.Element {
  const asked = useAsked("status", (signal) => get<Status>("status", {}, signal), 5000);
  return (
    <Shown asked={asked}>
      {(s) => (
        <>
          <Part title="Processes that keep flows">
            <Table label="processes" rows={s.flownodes} id={(n) => n.id} none="There are none: flows stand still." columns={[
              { head: "Process", first: true, grow: true, cell: (n) => n.name }, { head: "State", cell: (n) => <State of={n.state} /> }, { head: "Address", cell: (n) => n.address },
              { head: "Since", num: true, cell: (n) => <Time at={n.leads_since ?? n.started} /> }, { head: "Last seen", num: true, cell: (n) => <Time at={n.last_seen} relative /> },
            ]} />
          </Part>
          <Part title="Leases" more={<span class="dim">what one process at a time does</span>}>
            <Table label="leases" rows={s.leases} id={(l) => `${l.purpose} ${l.process} ${l.since}`} none="Nothing is held." columns={[
              { head: "For", first: true, grow: true, cell: (l) => l.purpose }, { head: "Process", grow: true, cell: (l) => l.process }, { head: "Role", cell: (l) => l.role || "-" },
              { head: "Since", num: true, cell: (l) => <Time at={l.since} /> },
            ]} />
          </Part>
        </>
      )}
    </Shown>
  );
}
