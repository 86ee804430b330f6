// A subscription to one flow: the messages of /api/v1/subscribe, folded into what the flow's
// table has. docs/reading.md describes them.
import { number } from "./format";
import type { Line, Results } from "./live";

interface Hello {
  flows: { columns: string[] | null; labels_json?: boolean; static: Record<string, string> | null }[];
}

interface Rows {
  window_end: string;
  final: boolean;
  whole?: boolean;
  rows: string[][];
  gone?: string[][];
}

export class Follower {
  private readonly source: EventSource;
  private readonly lines = new Map<string, Line>();
  private columns: string[] = [];
  private json = false; // one column holds all labels
  private fixed: Record<string, string> = {};
  private closed: number | null = null;
  private histograms = new Set<string>();
  private whole = new Set<number>(); // windows whose other rows are void up to the next progress

  /**
   * Follows a flow from `span` ms ago. `changed` is called when what is here agrees with a
   * commit, `refused` when there is no stream and none will come.
   */
  constructor(flow: string, private readonly span: number, private readonly changed: () => void, refused: () => void) {
    const from = new Date(Date.now() - span).toISOString();
    this.source = new EventSource(`/api/v1/subscribe?${new URLSearchParams({ flow, from, provisional: "true" })}`);
    this.on<Hello>("hello", (m) => this.hello(m));
    this.on<Rows>("rows", (m) => this.rows(m));
    this.on("progress", () => {
      this.whole.clear();
      this.changed();
    });
    this.on("reset", () => this.clear());
    // The browser comes again by itself and goes on from the last position, unless it was refused.
    this.source.onerror = () => {
      if (this.source.readyState === EventSource.CLOSED) refused();
    };
  }

  close(): void {
    this.source.close();
  }

  /** What the flow has now. */
  results(): Results {
    const since = Date.now() - this.span;
    for (const [key, line] of this.lines) {
      for (const t of line.points.keys()) if (t < since) line.points.delete(t);
      if (line.points.size === 0) this.lines.delete(key);
    }
    return { lines: [...this.lines.values()], closedUntil: this.closed, histograms: this.histograms.size };
  }

  private on<T>(type: string, take: (message: T) => void): void {
    this.source.addEventListener(type, (e) => take(JSON.parse((e as MessageEvent<string>).data) as T));
  }

  private clear(): void {
    this.lines.clear();
    this.histograms.clear();
    this.closed = null;
  }

  private hello(m: Hello): void {
    const [flow] = m.flows;
    this.columns = flow?.columns ?? [];
    this.json = flow?.labels_json ?? false;
    this.fixed = flow?.static ?? {};
  }

  private rows(m: Rows): void {
    const end = Date.parse(m.window_end);
    if (m.final) this.closed = Math.max(this.closed ?? end, end);
    if (m.whole) {
      if (!this.whole.has(end)) for (const line of this.lines.values()) line.points.delete(end);
      this.whole.add(end);
    }
    for (const row of m.gone ?? []) this.lines.get(row.join("\xff"))?.points.delete(end);
    for (const row of m.rows) {
      const columns = row.slice(0, -1), key = columns.join("\xff"), text = row.at(-1) ?? "", n = number(text);
      if (Number.isNaN(n) && text !== "NaN") {
        this.histograms.add(key);
        continue;
      }
      let line = this.lines.get(key);
      if (!line) this.lines.set(key, (line = { labels: this.labels(columns), points: new Map() }));
      line.points.set(end, n);
    }
  }

  private labels(columns: string[]): Record<string, string> {
    if (this.json) return { ...this.fixed, ...(JSON.parse(columns[0] ?? "{}") as Record<string, string>) };
    const own = this.columns.map((name, i): [string, string] => [name, columns[i] ?? ""]).filter(([, v]) => v !== "");
    return { ...this.fixed, ...Object.fromEntries(own) };
  }
}
