// Results of a flow as they are and as they come: one module, so that pages need not know
// how they travel. The newest windows come by a subscription; long spans, which show one
// window in several, and servers that have no stream left, are asked again and again.
import { useEffect, useState } from "preact/hooks";
import { Failure, prom, useAsked } from "./api";
import { Follower } from "./follow";
import { number } from "./format";

/** One group of a flow: its labels, and values by time in ms. */
export interface Line {
  labels: Record<string, string>;
  points: Map<number, number>;
}

export interface Results {
  lines: Line[];
  closedUntil: number | null; // ms: windows that end later are open; null where the answer does not say
  histograms: number; // groups whose results are native histograms and make no line
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
    .map((s) => ({ labels: s.metric, points: new Map((s.values ?? []).map(([t, v]) => [Math.round(t * 1000), number(v)])) }));
}

/** The step of a chart in ms: the smallest multiple of `every` with which the span has at most `most` points. */
export const stepOf = (span: number, every: number, most: number): number => Math.max(1, Math.ceil(span / every / most)) * every;

/** The most points of a line in a chart. */
export const mostPoints = 500;

/** Asks for the results that end at multiples of a step. */
async function asked(query: string, step: number, from: number, to: number, signal: AbortSignal): Promise<Results> {
  const answer = await prom<{ result: Series[] }>("query_range", {
    // Only windows that end at the time itself: nothing is carried on.
    query, start: String((Math.ceil(from / step) * step) / 1000), end: String(to / 1000), step: String(step / 1000), lookback_delta: "1ms", provisional: "1",
  }, signal);
  const lines = linesOf(answer.data.result);
  return { lines, closedUntil: null, histograms: answer.data.result.length - lines.length };
}

/** After how many ms a stream that was refused is asked for again: others may have ended. */
const againAfter = 30_000;

/** The results of the last `span` ms as a subscription brings them; refused while there is none to be had. */
function useStream(flow: string | null, span: number): { data: Results | undefined; refused: boolean } {
  const key = `${flow} ${span}`;
  const [state, set] = useState<{ key: string; data?: Results; refused?: boolean }>({ key });
  useEffect(() => {
    if (flow === null) return;
    let frame = 0, timer = 0, follower: Follower | null = null;
    const stop = (): void => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      frame = 0;
      follower?.close();
      follower = null;
    };
    // A browser has few connections to one server, for all its tabs and for pages that it
    // keeps to go back to: only what is looked at has one.
    const look = (): void => {
      stop();
      if (document.hidden) return;
      const mine = (follower = new Follower(flow, span, () => {
        // Commits can come faster than they can be drawn.
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          set({ key, data: mine.results() });
        });
      }, () => {
        set((old) => ({ key, data: old.key === key ? old.data : undefined, refused: true }));
        timer = setTimeout(look, againAfter);
      }));
    };
    look();
    document.addEventListener("visibilitychange", look);
    addEventListener("pagehide", stop);
    return () => {
      document.removeEventListener("visibilitychange", look);
      removeEventListener("pagehide", stop);
      stop();
    };
  }, [key]);
  const mine = flow !== null && state.key === key;
  return { data: mine ? state.data : undefined, refused: mine && state.refused === true };
}

const unfollowed = new Failure("The results cannot be followed now: too many are, or this login may not.", 0);

/**
 * The results of a flow in the last `span` ms, the open window among them, or in a fixed
 * span. `flow` is its name, `every` its step in ms, and `query` the PromQL that reads it: ""
 * for an alerting rule, whose results are followed only.
 */
export function useResults(flow: string, query: string, every: number, span: number, fixed: Span | null): { data: Results | undefined; error: Failure | undefined; step: number } {
  const step = query === "" ? every : stepOf(fixed ? fixed.to - fixed.from : span, every, mostPoints);
  const follows = fixed === null && step === every;
  const stream = useStream(follows ? flow : null, span);
  const key = query === "" || (follows && !stream.refused) ? null : [query, every, span, fixed?.from, fixed?.to].join(" ");
  const { data, error } = useAsked<Results>(key, (signal) => {
    // The open window ends after now; times are multiples of the step, as window ends are.
    const to = fixed ? Math.floor(fixed.to / step) * step : Math.ceil(Date.now() / step) * step;
    return asked(query, step, fixed ? fixed.from : to - span, to, signal);
  }, fixed ? 0 : step === every ? 500 : 5000);
  return { data: data ?? stream.data, error: query === "" && stream.refused ? unfollowed : error, step };
}
