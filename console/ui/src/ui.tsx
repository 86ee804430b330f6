// What the pages share.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Asked, Failure } from "./api";
import { ago, clock, parseTime, utc } from "./format";
import { useParam } from "./place";

// Of flows, jobs, alerts, windows, comparisons and processes, in turn.
const glyphs: Record<string, string> = {
  ok: "●", empty: "○", refilling: "↻", failing: "▲", stalled: "■",
  queued: "○", running: "↻", done: "●", failed: "■", cancelled: "○",
  firing: "▲", pending: "◔", resolved: "●",
  open: "○", closed: "●", dirty: "◐", kept: "◆", none: "·",
  agrees: "●", differs: "▲",
  leads: "●", "stands by": "○", "not seen": "■",
  holds: "◆", active: "●", idle: "○",
};

const tones: Record<string, string> = {
  ok: "good", done: "good", resolved: "good", closed: "good", leads: "good", agrees: "good", active: "good",
  refilling: "busy", running: "busy", dirty: "warn", pending: "warn",
  failing: "bad", stalled: "bad", failed: "bad", firing: "bad", differs: "bad", "not seen": "bad",
};

/** A state: its word, with a sign and a colour beside it. */
export function State({ of, title }: { of: string; title?: string }): JSX.Element {
  return <span class={`state ${tones[of] ?? "quiet"}`} title={title}><i aria-hidden="true">{glyphs[of] ?? "○"}</i>{of}</span>;
}

const readers = new Set<() => void>(); // of the time, each second
let ticking = 0;

/** Has what shows how long ago something was show it again each second. */
function useSeconds(on: boolean): void {
  const [, turn] = useState(0);
  useEffect(() => {
    if (!on) return;
    const again = (): void => turn((n) => n + 1);
    readers.add(again);
    ticking ||= setInterval(() => readers.forEach((read) => read()), 1000);
    return () => {
      readers.delete(again);
      if (readers.size > 0) return;
      clearInterval(ticking);
      ticking = 0;
    };
  }, [on]);
}

/** A time of the API: the clock, and what it is in UTC on being pointed at. `none` is said where there is none. */
export function Time({ at, relative, none = "-" }: { at: string | null | undefined; relative?: boolean; none?: string }): JSX.Element {
  const t = parseTime(at);
  useSeconds(relative === true && t !== null);
  if (t === null) return <span class="dim">{none}</span>;
  return <time dateTime={utc(t)} title={utc(t)}>{relative ? ago(t) : clock(t)}</time>;
}

/** A button that copies a text. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }): JSX.Element {
  const [said, say] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => say(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      say(older(text) ? "Copied" : "Select and copy it by hand");
    }
  };
  return <button type="button" class="small" onClick={() => void copy()}>{said || label}</button>;
}

/** Copies where the page has come by plain HTTP, so that there is no clipboard. */
function older(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** A text to be copied, whole. */
export function Code({ text, label, copy = true }: { text: string; label?: string; copy?: boolean }): JSX.Element {
  return (
    <div class="code">
      {label && <span class="what">{label}</span>}
      <pre>{text}</pre>
      {copy && <Copy text={text} />}
    </div>
  );
}

/** What went wrong, and what can be done. */
export function Problem({ error, title }: { error: { message: string; hint?: string } | undefined; title?: string }): JSX.Element | null {
  if (!error) return null;
  return (
    <div class="problem" role="alert">
      <b>{title ?? error.message}</b>
      {title && <span>{error.message}</span>}
      {error.hint && <span>Try: {error.hint}</span>}
    </div>
  );
}

/** Something that was asked for, or why it is not there (yet). */
export function Shown<T>({ asked, children }: { asked: Asked<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  if (asked.data === undefined) return asked.error ? <Problem error={asked.error} /> : <p class="dim loading">Loading …</p>;
  return <>{asked.error && <Stale error={asked.error} />}{children(asked.data)}</>;
}

function Stale({ error }: { error: Failure }): JSX.Element {
  return <Problem error={{ message: `What follows is of before: ${error.message}`, hint: error.hint }} />;
}

/** Names and values in columns. */
export function Facts({ items }: { items: ([string, ComponentChildren, string?] | false | null | undefined | "")[] }): JSX.Element {
  return (
    <dl class="facts">
      {items.map((one) => one && <div key={one[0]} title={one[2]}><dt>{one[0]}</dt><dd>{one[1]}</dd></div>)}
    </dl>
  );
}

/** A part of a page. */
export function Part({ title, more, children, id }: { title: string; more?: ComponentChildren; children: ComponentChildren; id?: string }): JSX.Element {
  return <section id={id}><header><h2>{title}</h2>{more}</header>{children}</section>;
}

/** A share of a whole, as a bar beside its number. */
export function Bar({ of, most }: { of: number; most: number }): JSX.Element {
  return <meter class="bar" min={0} max={Math.max(most, 1)} value={of} aria-hidden="true" />;
}

export interface Column<T> {
  head: string;
  key?: string; // what it is called in the query, where heads can be alike
  title?: string;
  num?: boolean; // set to the right, figures of one width
  grow?: boolean; // takes the room that is left
  first?: boolean; // names the row where columns do not fit side by side
  short?: boolean; // says nothing without its head
  hide?: boolean; // not in narrow windows
  cell: (row: T) => ComponentChildren;
  sort?: (row: T) => number | string;
}

/** A table. What it is sorted by stands in the query as `param`; j and k walk its rows. */
export function Table<T>({ rows, columns, id, param, none, label, free, most }: {
  rows: T[]; columns: Column<T>[]; id: (row: T) => string; param?: string; none: ComponentChildren; label: string;
  free?: boolean; // cells break where they are too long
  most?: number; // rows that are shown: the first, once they are sorted
}): JSX.Element {
  const [by, setBy] = useParam(param ?? "sort");
  if (rows.length === 0) return <div class="none">{none}</div>;
  const down = by.startsWith("-"), column = param ? columns.find((c) => c.sort && keyOf(c) === by.replace(/^-/, "")) : undefined;
  const list = (column ? sorted(rows, column, down) : rows).slice(0, most);
  return (
    <table aria-label={label} class={free ? "free" : undefined}>
      <thead>
        <tr>
          {columns.map((c) => (
            <th key={keyOf(c)} class={cls(c)} title={c.title} aria-sort={c === column ? (down ? "descending" : "ascending") : undefined}>
              {param && c.sort
                ? <button type="button" onClick={() => setBy(by === `-${keyOf(c)}` ? keyOf(c) : by === keyOf(c) ? "" : `-${keyOf(c)}`)}>{c.head}{c === column && (down ? " ↓" : " ↑")}</button>
                : c.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {list.map((row) => (
          <tr key={id(row)} data-row tabIndex={-1}>
            {columns.map((c) => <td key={keyOf(c)} class={cls(c)} data-head={c.head}>{c.cell(row)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const keyOf = <T,>(c: Column<T>): string => c.key ?? c.head;

function cls<T>(c: Column<T>): string {
  return [c.num && "num", c.grow && "grow", c.first && "first", c.short && "short", c.hide && "hide"].filter(Boolean).join(" ");
}

export function sorted<T>(rows: T[], column: Column<T>, down: boolean): T[] {
  const key = column.sort ?? ((): number => 0);
  return [...rows].sort((a, b) => {
    const x = key(a), y = key(b);
    const order = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y), "en", { numeric: true }) : byNumber(x, y);
    return down ? -order : order;
  });
}

/** The order of two numbers; what is none comes before all that are. */
const byNumber = (x: number, y: number): number => Number(!Number.isNaN(x)) - Number(!Number.isNaN(y)) || (x < y ? -1 : x > y ? 1 : 0);

/** A choice of a few words, kept in the query. */
export function Choice({ name, options, value, onChange }: { name: string; options: [string, string][]; value: string; onChange: (v: string) => void }): JSX.Element {
  return (
    <div class="choice" role="group" aria-label={name}>
      {options.map(([v, text]) => <button key={v} type="button" aria-pressed={v === value} onClick={() => onChange(v)}>{text}</button>)}
    </div>
  );
}
