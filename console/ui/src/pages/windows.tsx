// The windows of a flow in a strip, and what is known of one.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, useAsked } from "../api";
import { axisEnd, axisWidth } from "../chart";
import { clock, count, duration, labels, many, parseDuration, parseTime } from "../format";
import { meaning } from "../meaning";
import { at, setQuery } from "../place";
import { Facts, Part, Shown, State, Table, Time } from "../ui";
import type { Cell, Change, Flow, Strip as Stripe, Window } from "../types";
import { jobColumns } from "./jobs";

const states = ["refilling", "dirty", "open", "kept", "closed"] as const;

/** The state of a cell: the one that asks most of the reader. */
const stateOf = (c: Cell): string => states.find((s) => (c[s] ?? 0) > 0) ?? "none";

const choose = (end: number): void => setQuery({ window: String(end / 1000) });

export function Strip({ flow: { flow, keys }, from, to, step, chosen }: { flow: Flow; from: number; to: number; step: number; chosen: number | null }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const watch = new ResizeObserver(() => setWidth(Math.floor(at.clientWidth / 40) * 40));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const most = Math.max(10, Math.min(500, Math.floor(width / 6)));
  // A strip that follows the time is another one with each step only.
  const asked = useAsked(width === 0 ? null : [flow, step === 0 ? from : from - to, step === 0 ? to : "", most].join(" "), (signal) => {
    const end = step === 0 ? to : Math.ceil(Date.now() / step) * step;
    return get<Stripe>("flow/windows", { flow, from: String((end - (to - from)) / 1000), to: String(end / 1000), cells: String(most) }, signal);
  }, step === 0 ? 0 : 2000);
  return (
    <div class="strip" style={{ paddingLeft: `${axisWidth}px`, paddingRight: `${axisEnd}px` }}>
      <div ref={box}>
        {asked.error && <p class="note">The windows cannot be shown: {asked.error.message}</p>}
        {asked.data && <Cells of={asked.data} keys={keys} chosen={chosen} />}
      </div>
    </div>
  );
}

function Cells({ of, keys, chosen }: { of: Stripe; keys: Flow["keys"]; chosen: number | null }): JSX.Element {
  const size = (parseDuration(of.cell) ?? 1) * 1000, one = of.cell === of.every;
  const from = parseTime(of.from) ?? 0, to = parseTime(of.to) ?? 0, ends = of.cells.map((c) => parseTime(c.end) ?? 0);
  const at = chosen === null ? -1 : ends.findIndex((e) => chosen > e - size && chosen <= e);
  const sums = states.map((s) => [s, of.cells.reduce((n, c) => n + (c[s] ?? 0), 0)] as const).filter(([, n]) => n > 0);
  const key = (e: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (by === undefined) return;
    e.preventDefault();
    const next = ends[at < 0 ? ends.length - 1 : Math.min(ends.length - 1, Math.max(0, at + by))];
    if (next !== undefined) choose(next);
  };
  const text = (c: Cell, end: number): string => {
    const parts = states.filter((s) => (c[s] ?? 0) > 0).map((s) => `${count(c[s] ?? 0)} ${s}`);
    const what = one ? `window to ${clock(end)}` : `${many(c.windows, "window")} to ${clock(end)}`;
    return `${what}: ${one ? stateOf(c) : parts.join(", ") || "none computed"}${c.results ? "" : ", no rows"}`;
  };
  return (
    <>
      <div class="cells" role="listbox" aria-label={`windows from ${clock(from)} to ${clock(to)}`} tabIndex={0} onKeyDown={key}>
        {of.cells.map((c, i) => {
          const end = ends[i] ?? 0;
          return (
            <span key={c.end} role="option" aria-selected={i === at} aria-label={text(c, end)} title={text(c, end)} onClick={() => choose(end)}
              class={`cell is-${stateOf(c)}${c.results ? "" : " empty"}`} />
          );
        })}
      </div>
      <p class="key">
        {sums.map(([s, n]) => <span key={s} title={meaning(s, keys)}><i class={`cell is-${s}`} aria-hidden="true" />{s} {count(n)}</span>)}
        <span class="dim">{one ? "a cell is a window" : `a cell is ${duration(size / 1000)} of windows`}; click one to see what is known of it</span>
      </p>
    </>
  );
}

export function WindowPart({ flow: { flow, keys }, end, every }: { flow: Flow; end: number; every: number }): JSX.Element {
  const asked = useAsked(`window ${flow} ${end}`, (signal) => get<Window>("flow/window", { flow, end: String(end / 1000) }, signal), 2000);
  const more = (
    <div class="tools">
      <button type="button" onClick={() => choose(end - every)}>Earlier</button>
      <button type="button" onClick={() => choose(end + every)}>Later</button>
      <button type="button" onClick={() => setQuery({ window: undefined })}>Close</button>
    </div>
  );
  return (
    <Part title={`Window to ${clock(end)}`} more={more} id="window">
      <Shown asked={asked}>
        {(w) => (
          <>
            <Facts items={[
              ["State", <State of={w.state} title={meaning(w.state, keys)} />], meaning(w.state, keys) !== "" && ["That is", meaning(w.state, keys)],
              ["Reads samples", <><Time at={w.reads.from} /> to <Time at={w.reads.to} /></>], ["Rows", `${count(w.rows)}${w.provisional ? ", provisional" : ""}`],
              ["Read up to", <code>{w.vector}</code>, "its rows are of this position or an earlier one"],
              ["Can be computed again", !w.rebuildable ? "no: its raw samples are given up" : <a href={at(["refill"], { flow, from: String((end - every) / 1000), to: String(end / 1000) })}>yes: refill it</a>],
            ]} />
            {w.dirty.length > 0 && (
              <Table label="what is to be computed again" rows={w.dirty} id={(d) => `${d.reason} ${d.whole ? "" : labels(d.group ?? {}, [])}`} none="" columns={[
                { head: "Computed again for", first: true, short: true, grow: true, cell: (d) => (d.whole ? "all groups" : <code>{labels(d.group ?? {}, [])}</code>) }, { head: "Because", cell: (d) => d.reason },
                { head: "Since", num: true, cell: (d) => <Time at={d.first_at} /> }, { head: "Last touched", num: true, cell: (d) => <Time at={d.last_at} /> },
              ]} />
            )}
            {(w.dirty_more ?? 0) > 0 && <p class="note">and {count(w.dirty_more ?? 0)} more</p>}
            {w.changed && <Changes of={[w.changed, ...(w.changed_before ?? [])]} />}
            {w.jobs.length > 0 && <Table label="jobs" rows={w.jobs} id={(j) => String(j.id)} none="" columns={jobColumns} />}
          </>
        )}
      </Shown>
    </Part>
  );
}

const mostChanges = 10;

function Changes({ of }: { of: Change[] }): JSX.Element {
  return (
    <>
      <Table label="commits that changed it" rows={of.slice(0, mostChanges)} id={(c) => String(c.position)} none="" columns={[
        { head: "Changed at", first: true, short: true, cell: (c) => <Time at={c.at} /> },
        { head: "By commit", num: true, title: "the position of the flow, as subscriptions name it", cell: (c) => count(c.position) },
        { head: "What", grow: true, cell: (c) => [c.rows === null ? "rows, not counted" : c.rows > 0 || !c.closed ? many(c.rows, "row") : "", c.closed ? "closed the window" : ""].filter((t) => t !== "").join(", ") },
      ]} />
      {of.length > mostChanges && <p class="note">and {count(of.length - mostChanges)} before</p>}
    </>
  );
}
