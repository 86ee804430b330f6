// A chart of lines over time. Points after `closedUntil` are dashed: they are of windows
// that are still open, and may change.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, labels, value } from "./format";
import type { Line } from "./live";

/** The most lines that a chart shows; more cannot be told apart. */
export const mostLines = 20;

/** How wide the axis of values is, so that what stands below can be in line with the chart. */
export const axisWidth = 58;

/** How much room there is at the chart's right for half the text of a time. */
export const axisEnd = 20;

const hues = [202, 28, 145, 338, 262, 48, 178, 8, 96, 300];

const dark = matchMedia("(prefers-color-scheme: dark)");

/** The colour of a line: ten hues, then the same ones paler. */
function colour(i: number): string {
  const hue = hues[i % hues.length], pale = Math.floor(i / hues.length) % 2 === 1;
  return dark.matches ? `hsl(${hue} ${pale ? 35 : 70}% ${pale ? 72 : 62}%)` : `hsl(${hue} ${pale ? 35 : 72}% ${pale ? 58 : 38}%)`;
}

/** Those of many lines that are shown: the greatest by their newest value, in the order of their labels. */
export function chosen(lines: Line[]): Line[] {
  const newest = (l: Line): number => {
    let at = -Infinity, v = 0;
    for (const [t, x] of l.points) if (t > at) [at, v] = [t, x];
    return Number.isFinite(v) ? Math.abs(v) : -1;
  };
  const list = lines.length <= mostLines ? [...lines] : [...lines].sort((a, b) => newest(b) - newest(a)).slice(0, mostLines);
  return list.sort((a, b) => nameOf(a).localeCompare(nameOf(b), "en", { numeric: true }));
}

const nameOf = (l: Line): string => labels(l.labels);

interface Props {
  lines: Line[];
  from: number; // ms
  to: number; // ms
  step: number; // ms; a longer way between two points is a gap
  closedUntil?: number | null; // ms
  mark?: number | null; // ms: a window that is looked at
  onZoom?: (from: number, to: number) => void; // ms
  named?: boolean; // names of metrics tell the lines apart
}

export function Chart(p: Props): preact.JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(p);
  now.current = p;
  const [at, setAt] = useState<number | null>(null); // index that the pointer is at
  const [near, setNear] = useState<number | null>(null); // the line that the pointer is at
  const [theme, setTheme] = useState(0);
  const shown = useMemo(() => chosen(p.lines), [p.lines]);
  const data = useMemo(() => aligned(shown, p.step, p.closedUntil ?? Infinity), [shown, p.step, p.closedUntil]);
  const names = shown.map((l) => (p.named ? (l.labels.__name__ ?? "") : "") + nameOf(l)).join("\n");

  useEffect(() => {
    const changed = (): void => setTheme((n) => n + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);

  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const style = getComputedStyle(at);
    const ink = style.color, rule = style.borderTopColor; // as the browser has resolved them
    const axis = { stroke: ink, font: "12px system-ui, sans-serif", grid: { stroke: rule, width: 1 }, ticks: { show: false } };
    const height = (): number => (at.clientWidth < 500 ? 200 : 260);
    const u = new uPlot({
      width: Math.max(200, at.clientWidth), height: height(),
      legend: { show: false },
      padding: [10, axisEnd, 0, 0],
      cursor: { drag: { x: p.onZoom !== undefined, y: false, setScale: false }, focus: { prox: 24 }, points: { size: 6 } },
      focus: { alpha: 0.35 },
      scales: { x: { time: true, range: () => [now.current.from / 1000, now.current.to / 1000] } },
      axes: [
        { ...axis, size: 30, space: 70, values: (_, ticks) => ticks.map((t, i) => tick(t, ticks[i - 1])) },
        { ...axis, size: axisWidth, values: (_, ticks) => ticks.map((t) => value(t)) },
      ],
      series: [{}, ...shown.flatMap((_, i) => [
        { stroke: colour(i), width: 1.6, points: { size: 4 } },
        { stroke: colour(i), width: 1.6, dash: [4, 4], points: { size: 4 } },
      ])],
      hooks: {
        setCursor: [(u) => setAt(u.cursor.idx ?? null)],
        setSeries: [(_, i) => setNear(i === null ? null : Math.floor((i - 1) / 2))],
        setSelect: [(u) => {
          const { left, width } = u.select;
          if (width > 4) now.current.onZoom?.(u.posToVal(left, "x") * 1000, u.posToVal(left + width, "x") * 1000);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        draw: [(u) => {
          const mark = now.current.mark;
          if (!mark) return;
          const x = u.valToPos(mark / 1000, "x", true);
          u.ctx.save();
          u.ctx.strokeStyle = ink;
          u.ctx.setLineDash([2, 3]);
          u.ctx.beginPath();
          u.ctx.moveTo(x, u.bbox.top);
          u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
          u.ctx.stroke();
          u.ctx.restore();
        }],
      },
    }, data, at);
    plot.current = u;
    const watch = new ResizeObserver(() => {
      if (at.clientWidth > 0 && (u.width !== at.clientWidth || u.height !== height())) u.setSize({ width: at.clientWidth, height: height() });
    });
    watch.observe(at);
    return () => {
      watch.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [names, theme]);

  useEffect(() => plot.current?.setData(data), [data, p.from, p.to, p.mark]);

  const when = data[0][at ?? data[0].length - 1];
  return (
    <figure class="chart">
      <div ref={box} class="plot" role="img" aria-label={`chart of ${shown.length} lines; their newest values stand below`} />
      <figcaption>
        <div class="when">
          {when !== undefined && <>values at <time title={new Date(when * 1000).toISOString()}>{clock(when * 1000)}</time>{(p.closedUntil ?? Infinity) < when * 1000 && ", provisional"}</>}
          {p.lines.length > shown.length && <span> · the {shown.length} greatest of {p.lines.length} groups</span>}
        </div>
        <ul class="legend">
          {shown.map((l, n) => {
            // The line has no point where the value is none or infinite; the legend has what it is.
            const v = when === undefined ? undefined : l.points.get(Math.round(when * 1000));
            const metric = p.named ? (l.labels.__name__ ?? "") : "", set = nameOf(l), name = metric + (set === "{}" ? (metric ? "" : "all") : set);
            return (
              <li key={metric + set} class={near === n ? "near" : ""} onMouseEnter={() => plot.current?.setSeries(1 + 2 * n, { focus: true })}
                onMouseLeave={() => plot.current?.setSeries(null as unknown as number, { focus: true })}>
                <svg width="14" height="8" aria-hidden="true"><line x1="0" y1="4" x2="14" y2="4" stroke={colour(n)} stroke-width="3" /></svg>
                <span class="name" title={name}>{name}</span>
                <b class="num">{v === undefined ? "-" : value(v)}</b>
              </li>
            );
          })}
        </ul>
      </figcaption>
    </figure>
  );
}

/** The text of a time on the axis: the day where it changes. */
function tick(t: number, before: number | undefined): string {
  const d = new Date(t * 1000), text = clock(t * 1000);
  const time = text.slice(-8), short = d.getSeconds() === 0 ? time.slice(0, 5) : time;
  const day = before === undefined ? false : new Date(before * 1000).getDate() !== d.getDate();
  return day ? d.toLocaleDateString("en", { month: "short", day: "numeric" }) : short;
}

/** The lines over the same times: for each what is closed, then what is not, with the last closed point in both. */
function aligned(lines: Line[], step: number, closedUntil: number): uPlot.AlignedData {
  const all = [...new Set(lines.flatMap((l) => [...l.points.keys()]))].sort((a, b) => a - b);
  const times: number[] = [];
  for (const [i, t] of all.entries()) {
    const before = all[i - 1];
    if (before !== undefined && t - before > 1.5 * step) times.push(before + step); // nothing is there: no line leads over it
    times.push(t);
  }
  const border = times.findLastIndex((t) => t <= closedUntil);
  const columns = lines.flatMap((l) => {
    const values = times.map((t) => {
      const v = l.points.get(t);
      return v === undefined || !Number.isFinite(v) ? null : v;
    });
    return [values.map((v, i) => (i <= border ? v : null)), values.map((v, i) => (i >= border ? v : null))];
  });
  return [times.map((t) => t / 1000), ...columns] as uPlot.AlignedData;
}
