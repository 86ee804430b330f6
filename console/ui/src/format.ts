// How values are spelt for people. Nothing here knows of the API.

/** The time of a text of the API in milliseconds, null for "-" and nothing. */
export function parseTime(text: string | null | undefined): number | null {
  if (!text || text === "-") return null;
  const t = Date.parse(text);
  return Number.isNaN(t) ? null : t;
}

const two = (n: number): string => String(n).padStart(2, "0");
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A moment in local time: the clock alone today, with the day otherwise. */
export function clock(ms: number, now = Date.now()): string {
  const d = new Date(ms), n = new Date(now);
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  if (d.toDateString() === n.toDateString()) return time;
  const day = `${months[d.getMonth()]} ${d.getDate()}`;
  return d.getFullYear() === n.getFullYear() ? `${day} ${time}` : `${day} ${d.getFullYear()} ${time}`;
}

/** The same in UTC and in full, as tables and commands spell it. */
export const utc = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z");

/** A length of time with two units at most: 90 s is 1m30s. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  const sign = seconds < 0 ? "-" : "";
  let s = Math.abs(seconds);
  if (s === 0) return "0s";
  if (s < 1) return `${sign}${Math.max(1, Math.round(s * 1000))}ms`;
  if (s < 10) return `${sign}${trim(s, 1)}s`;
  s = Math.round(s);
  const units: [string, number][] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const i = units.findIndex(([, size]) => s >= size);
  const [unit, size] = units[i] ?? ["s", 1];
  const next = units[i + 1];
  const rest = next ? Math.floor((s % size) / next[1]) : 0;
  return `${sign}${Math.floor(s / size)}${unit}${next && rest > 0 ? rest + next[0] : ""}`;
}

/** The seconds of a duration as Prometheus spells it, null for what is none. */
export function parseDuration(text: string): number | null {
  const sizes: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
  let sum = 0, rest = text.trim();
  if (rest === "") return null;
  while (rest !== "") {
    const part = /^(\d+(?:\.\d+)?)(ms|[smhdwy])/.exec(rest);
    if (!part) return null;
    sum += Number(part[1]) * (sizes[part[2] ?? ""] ?? 0);
    rest = rest.slice(part[0].length);
  }
  return sum > 0 ? sum : null;
}

const trim = (n: number, digits: number): string => String(Number(n.toFixed(digits)));

/** How long ago. */
export function ago(ms: number, now = Date.now()): string {
  const s = (now - ms) / 1000;
  if (s < -1) return `in ${duration(-s)}`;
  return s < 1 ? "now" : `${duration(Math.round(s))} ago`;
}

/** A count: 12,345 whole, 1.2 M beyond a million. */
export function count(n: number): string {
  if (Math.abs(n) < 1e6) return Math.round(n).toLocaleString("en");
  for (const [unit, size] of [["G", 1e9], ["M", 1e6]] as const) {
    if (Math.abs(n) >= size) return `${trim(n / size, 1)} ${unit}`;
  }
  return String(n);
}

/** Bytes with one decimal. */
export function bytes(n: number): string {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (n >= size) return `${trim(n / size, 1)} ${unit}`;
  }
  return `${n} B`;
}

/** The number of a value as Prometheus spells it, NaN for what is none. */
export const number = (text: string): number => (/^[+-]?Inf$/.test(text) ? Number(text.replace("Inf", "Infinity")) : Number(text));

/** A sample's value with at most six digits that say something; the text is the API's. */
export function value(text: string | number): string {
  const n = Number(text);
  if (!Number.isFinite(n)) return String(text).replace(/^(-?)Infinity$/, (_, sign: string) => `${sign || "+"}Inf`);
  if (n === 0) return "0";
  if (Math.abs(n) >= 1e9 || Math.abs(n) < 1e-4) return n.toExponential(3).replace(/\.?0+e/, "e");
  return trim(n, Math.max(0, 6 - Math.max(1, Math.ceil(Math.log10(Math.abs(n)))))).replace(/^(-?\d{4,})(?=\.|$)/, (w) => Number(w).toLocaleString("en"));
}

/** A count and its noun. */
export const many = (n: number, one: string, more = one + "s"): string => `${count(n)} ${n === 1 ? one : more}`;

/** The selector of a metric; names that PromQL does not take bare are quoted in braces. */
export const selector = (name: string): string => (/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`);

/** A label's name as PromQL takes it. */
export const labelName = (name: string): string => (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : JSON.stringify(name));

/** A label set as PromQL spells it, without the name. */
export function labels(set: Record<string, string>, without: string[] = ["__name__"]): string {
  const parts = Object.keys(set).filter((k) => !without.includes(k)).sort().map((k) => `${labelName(k)}=${JSON.stringify(set[k])}`);
  return parts.length === 0 ? "{}" : `{${parts.join(", ")}}`;
}
