// The HTTP API, as the console asks it: Prometheus's below /api/v1/, Laminar's own below
// /api/v1/laminar/. The shapes of the latter are in types.ts.
import { useEffect, useRef, useState } from "preact/hooks";

const root = "/api/v1/";

/** An answer that is no success, in words for people. */
export class Failure extends Error {
  constructor(text: string, readonly status: number, readonly hint = "") {
    super(text);
  }
}

type Params = Record<string, string | string[] | undefined>;

function form(params: Params): URLSearchParams {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) {
    for (const one of Array.isArray(v) ? v : [v]) if (one !== undefined) q.append(k, one);
  }
  return q;
}

/** How long an answer may take, in ms. Queries have longer than query.timeout is by default. */
const patience = 40_000, queryPatience = 150_000;

async function ask(path: string, init: RequestInit, limit = patience): Promise<unknown> {
  let answer: Response, text: string;
  const late = AbortSignal.timeout(limit);
  try {
    answer = await fetch(root + path, { credentials: "same-origin", ...init, signal: init.signal ? AbortSignal.any([init.signal, late]) : late });
    text = await answer.text();
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    if (late.aborted) throw new Failure(`Laminar has not answered for ${limit / 1000} seconds.`, 504);
    throw new Failure("Laminar does not answer.", 0, "wait: this page goes on by itself once it is back");
  }
  let body: { error?: string; hint?: string } | undefined;
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    body = undefined;
  }
  if (!answer.ok) throw new Failure(body?.error ?? (text.trim() || answer.statusText), answer.status, body?.hint);
  if (body === undefined) throw new Failure(`the answer to ${path} is no JSON`, answer.status);
  return body;
}

/** An answer of Prometheus's API. */
export interface Prom<T> {
  data: T;
  warnings?: string[];
  infos?: string[];
}

/** Asks Prometheus's API. Expressions can be long, so they go as a form. */
export async function prom<T>(path: string, params: Params, signal?: AbortSignal): Promise<Prom<T>> {
  const post = path === "query" || path === "query_range";
  const q = form(params);
  return (await ask(post ? path : `${path}?${q}`, post ? { method: "POST", body: q, signal } : { signal }, post ? queryPatience : patience)) as Prom<T>;
}

/** Asks Laminar's own API. */
export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const q = form(params).toString();
  return (await ask(`laminar/${path}${q ? `?${q}` : ""}`, { signal })) as T;
}

/** Has Laminar do something. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  return (await ask(`laminar/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })) as T;
}

/** What is known of something that is asked for again and again. */
export interface Asked<T> {
  data: T | undefined; // of the last answer that was a success
  error: Failure | undefined; // of the last answer, where it was none
  again: () => void; // asks now
}

/**
 * Asks for something now and, with `every`, that many milliseconds after each answer, as
 * long as the page is looked at. Without `every` it is asked again only while Laminar is
 * away. What is asked for is named by `key`; null asks for nothing.
 */
export function useAsked<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, every = 0): Asked<T> {
  const [state, set] = useState<{ key: string | null; data?: T; error?: Failure }>({ key });
  const [turn, setTurn] = useState(0);
  const how = useRef(load);
  how.current = load;
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    let timer = 0, wait = every;
    const next = (): void => {
      if (wait > 0 && !stop.signal.aborted) timer = setTimeout(step, wait);
    };
    const step = async (): Promise<void> => {
      if (document.hidden && wait > 0) return next();
      try {
        const data = await how.current(stop.signal);
        if (!stop.signal.aborted) set({ key, data });
        wait = every;
      } catch (e) {
        if (stop.signal.aborted) return;
        const error = e instanceof Failure ? e : new Failure(String(e), 0);
        set((old) => ({ key, data: old.key === key ? old.data : undefined, error }));
        // What is wrong or away is seldom right at once.
        wait = every > 0 || error.status === 0 ? Math.max(every, 5000) : 0;
      }
      next();
    };
    void step();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, every, turn]);
  const mine = state.key === key;
  return { data: mine ? state.data : undefined, error: mine ? state.error : undefined, again: () => setTurn((n) => n + 1) };
}
