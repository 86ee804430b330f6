// Where the reader is: the path below the console's, and the query. All state that a page
// would want back after a reload is there.
import { useEffect, useState } from "preact/hooks";

/** The path that the console is served below, with a slash at its end. */
export const base = new URL(document.baseURI).pathname;

export interface Place {
  path: string[];
  query: URLSearchParams;
}

function read(): Place {
  const rest = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  return { path: rest.split("/").filter((p) => p !== "").map(decode), query: new URLSearchParams(location.search) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a percent sign that somebody typed
  }
}

const watchers = new Set<() => void>();

function tell(): void {
  for (const w of watchers) w();
}

addEventListener("popstate", tell);

// Links of the console's own are followed without loading the page again.
document.addEventListener("click", (e) => {
  const link = (e.target as Element).closest?.("a");
  if (!link || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  if (link.origin !== location.origin || !link.pathname.startsWith(base) || link.target || link.hasAttribute("download")) return;
  e.preventDefault();
  go(link.pathname + link.search);
});

/** Goes to an address of the console. */
export function go(href: string): void {
  const from = location.pathname;
  history.pushState(null, "", href);
  tell();
  if (location.pathname !== from) scrollTo(0, 0);
}

/** Where the reader is, kept up to date. */
export function usePlace(): Place {
  const [place, set] = useState(read);
  useEffect(() => {
    const watch = (): void => set(read());
    watchers.add(watch);
    watch();
    return () => void watchers.delete(watch);
  }, []);
  return place;
}

/** The address of a page with a query; empty values are left out. */
export function at(path: string[], query: Record<string, string | undefined> = {}): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query)) if (v) q.set(k, v);
  const text = q.toString();
  return base + path.map((p) => encodeURIComponent(p).replaceAll("%3A", ":")).join("/") + (text ? `?${text}` : "");
}

/** Changes the query of this page. What is empty goes. It is a step back in the history only where asked. */
export function setQuery(change: Record<string, string | undefined>, step = false): void {
  const q = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(change)) {
    if (v) q.set(k, v);
    else q.delete(k);
  }
  const text = q.toString(), href = location.pathname + (text ? `?${text}` : "");
  if (step) history.pushState(null, "", href);
  else history.replaceState(null, "", href);
  tell();
}

/** One parameter of the query and how to change it. */
export function useParam(name: string, otherwise = ""): [string, (v: string, step?: boolean) => void] {
  const { query } = usePlace();
  return [query.get(name) ?? otherwise, (v, step) => setQuery({ [name]: v === otherwise ? undefined : v }, step)];
}
