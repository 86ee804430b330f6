// What a flow has in memory: panes, and partials by group.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, useAsked } from "../api";
import { bytes, clock, count, labels, many, value } from "../format";
import { useParam } from "../place";
import { Bar, Facts, Part, Shown, Table, Time, type Column } from "../ui";
import type { Partial, State, StateLeaf } from "../types";

const named = (p: Partial): string => labels(p.series ?? p.group ?? {}, []);

export function StatePart({ flow, window }: { flow: string; window: number | null }): JSX.Element {
  const [open, setOpen] = useParam("state");
  return (
    <Part title="In memory" more={<button type="button" aria-expanded={open !== ""} onClick={() => setOpen(open === "" ? "1" : "")}>{open === "" ? "Show panes and partials" : "Hide"}</button>}>
      {open !== "" && <InMemory flow={flow} window={window} />}
    </Part>
  );
}

function InMemory({ flow, window }: { flow: string; window: number | null }): JSX.Element {
  const [group, setGroup] = useState(""), [asking, ask] = useState("");
  const asked = useAsked(`state ${flow} ${window} ${asking}`, (signal) => get<State>("flow/state", {
    flow, window: window === null ? undefined : String(window / 1000), group: asking === "" ? undefined : asking.split(/\s*,\s*/), limit: "100",
  }, signal), 5000);
  return (
    <Shown asked={asked}>
      {(s) => !s.here
        ? <p class="note">{s.why ?? "This process does not keep the flow."}{s.leader && ` ${s.leader.name} at ${s.leader.address} does.`}</p>
        : (
          <>
            <form class="tools" onSubmit={(e) => { e.preventDefault(); ask(group); }}>
              <input type="search" placeholder="Group, such as job=api, code=200" aria-label="group" value={group} onInput={(e) => setGroup(e.currentTarget.value)} />
              <button>Show</button>
              <span class="dim">{bytes(s.bytes ?? 0)} at <code>{s.vector}</code>{window === null ? "; a window chosen above shows what it merges to" : ""}</span>
            </form>
            {(s.leaves ?? []).map((l) => <LeafState key={l.leaf} of={l} />)}
            {(s.leaves ?? []).length === 0 && <div class="none">Nothing of it is kept in memory.</div>}
          </>
        )}
    </Shown>
  );
}

/** The column of a field of partials; those that end in _t are times. */
const column = (f: string): Column<Partial> => ({
  head: f.replaceAll("_", " ").replace(/ t$/, " at"), num: true, cell: (p) => (f.endsWith("_t") ? <Time at={p.fields[f]} /> : p.fields[f] === undefined ? "-" : value(p.fields[f])),
});

function LeafState({ of: l }: { of: StateLeaf }): JSX.Element {
  const most = Math.max(...l.panes.map((p) => p.bytes), 1), merged = l.window?.merged ?? [];
  const fields = (list: Partial[]): string[] => [...new Set(list.flatMap((p) => Object.keys(p.fields)))];
  return (
    <div class="leaf">
      <h3><code>{l.leaf}</code></h3>
      <Facts items={[
        ["Kind", l.kind], ["Bytes", bytes(l.bytes)], ["Series", count(l.series)], ["Groups", count(l.groups)], ["Pane", l.pane],
        ["In memory from", <Time at={l.from} />], (l.shared_with?.length ?? 0) > 0 && ["Shared with", (l.shared_with ?? []).join(", ")],
      ]} />
      {l.window && (
        <>
          <h4>The window to {clock(Date.parse(l.window.end))} merges to</h4>
          <Table label="merged" rows={merged} id={named} none={l.window.whole ? "Nothing: no sample is in it." : "Not all of its panes are in memory. Were it computed again, raw samples would be read."} columns={[
            { head: "Of", first: true, grow: true, cell: (p) => <code>{named(p)}</code> },
            ...fields(merged).map(column),
            { head: "value", num: true, cell: (p) => <b title={p.value}>{p.value === undefined ? "-" : value(p.value)}</b> },
          ]} />
          {(l.window.merged_more ?? 0) > 0 && <p class="note">and {count(l.window.merged_more ?? 0)} more; name a group to see it</p>}
        </>
      )}
      {!l.kept && <p class="note">Nothing of it is in memory now: it is computed from raw samples.</p>}
      {l.panes.length > 0 && <details>
        <summary>{many(l.panes.length + (l.panes_more ?? 0), "pane")}</summary>
        <Table label="panes" rows={l.panes} id={(p) => p.end} none="none" columns={[
          { head: "Pane to", first: true, short: true, cell: (p) => <Time at={p.end} /> }, { head: "Cells", num: true, title: "slots that hold something", cell: (p) => count(p.cells) },
          { head: "Bytes", num: true, cell: (p) => bytes(p.bytes) }, { head: "", grow: true, cell: (p) => <Bar of={p.bytes} most={most} /> },
        ]} />
      </details>}
      {l.partials.length > 0 && (
        <details>
          <summary>{many(l.partials.length + (l.partials_more ?? 0), "partial")}{(l.partials_more ?? 0) > 0 && `, the first ${l.partials.length} shown`}</summary>
          <Table label="partials" rows={l.partials} id={(p) => `${p.pane} ${p.slot}`} none="none" columns={[
            { head: "Pane to", first: true, short: true, cell: (p) => <Time at={p.pane} /> }, { head: "Of", grow: true, cell: (p) => <code>{named(p)}</code> },
            ...fields(l.partials).map(column),
          ]} />
        </details>
      )}
    </div>
  );
}
