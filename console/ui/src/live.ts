// Results of a flow as they are and as they come: one module, so that pages need not know
// how they travel.
import { prom, useAsked, type Failure } from "./api";

/** One group of a flow: its labels, and values by time in ms. */
export interface Line {
  labels: Record<string, string>;
  points: Map<number, number>;
}

export interface Results {
  lines: Line[];
  histograms: number; // groups whose results are native histograms and make no line
  warnings: string[];
  infos: string[];
}

export interface Span {
  from: number; // ms
  to: number; // ms
}

interface Series {
  metric: Record<string, string>;
  values?: [number, string][];
  histograms?: unknown[];
}

/** The lines of an answer to query_range. */
export function linesOf(result: Series[]): Line[] {
  return result
    .filter((s) => s.values)
    .map((s) => ({ labels: s.metric, points: new Map((s.values ?? []).map(([t, v]) => [Math.round(t * 1000), Number(v)])) }));
}

/** The step of a chart in ms: the smallest multiple of `every` with which the span has at most `most` points. */
export const stepOf = (span: number, every: number, most: number): number => Math.max(1, Math.ceil(span / every / most)) * every;

/** The most points of a line in a chart. */
export const mostPoints = 500;

/**
 * The results of a flow in the last `span` ms, the open window among them, or in a fixed
 * span; asked for again twice a second while the newest are shown. `every` is the flow's
 * step in ms.
 */
export function useResults(query: string | null, every: number, span: number, fixed: Span | null): { data: Results | undefined; error: Failure | undefined; step: number } {
  const step = stepOf(fixed ? fixed.to - fixed.from : span, every, mostPoints);
  const key = query === null ? null : [query, every, span, fixed?.from, fixed?.to].join(" ");
  const { data, error } = useAsked<Results>(key, async (signal) => {
    // The open window ends after now; times are multiples of the step, as window ends are.
    const to = fixed ? Math.floor(fixed.to / step) * step : Math.ceil(Date.now() / step) * step;
    const from = Math.ceil((fixed ? fixed.from : to - span) / step) * step;
    const answer = await prom<{ result: Series[] }>("query_range", {
      // Only windows that end at the time itself: nothing is carried on.
      query: query ?? "", start: String(from / 1000), end: String(to / 1000), step: String(step / 1000), lookback_delta: "1ms", provisional: "1",
    }, signal);
    const lines = linesOf(answer.data.result);
    return { lines, histograms: answer.data.result.length - lines.length, warnings: answer.warnings ?? [], infos: answer.infos ?? [] };
  }, fixed ? 0 : 500);
  return { data, error, step };
}
