// The shapes of the answers below /api/v1/laminar/. Times are RFC 3339 or "-", values of
// samples are texts; null is what the process that answers does not know.

export type FlowState = "ok" | "empty" | "refilling" | "failing" | "stalled";

export interface Node {
  id: string;
  name: string;
  address: string;
  started: string;
  last_seen: string;
  state: string;
  leads_since?: string;
}

export interface Installation {
  version: string;
  now: string;
  process: string;
  parts: string[];
  may: string[];
  leads: boolean;
  leader: { name: string; address: string; since: string; id: string } | null;
  flows: number;
  series: number;
  result_schema: string;
}

export interface Memory {
  series: number;
  groups: number;
  panes: number;
  bytes: number;
  round_seconds: number;
  rounded_at: string;
}

export interface FlowLine {
  flow: string;
  table: string;
  group: string;
  every: string;
  mode: string;
  promql: string;
  alerting: boolean;
  executor: string;
  state: FlowState;
  error?: string;
  hint?: string;
  stalled_since?: string;
  watermark: string;
  stored_until: string;
  newest_sample: string;
  lag_sequences: number;
  lag_seconds: number;
  dirty: number;
  jobs: number;
  left_out: number;
  clashes: number;
  rows: number | null;
  bytes: number;
  memory: Memory | null;
}

export interface Flows {
  at: string;
  leads: boolean;
  flows: FlowLine[];
}

export interface Leaf {
  leaf: string;
  state: string;
  range: string;
  offset?: string;
  pane: string;
  panes: number;
  cannot_push?: string;
  executor?: string;
  reason?: string;
  refused?: string;
  shared_with?: string[];
}

export interface Explained {
  why?: string;
  residual?: string;
  executor?: string;
  said_by?: string;
  leaves?: Leaf[];
}

export interface Job {
  id: number;
  kind: string;
  flow: string;
  from: string;
  to: string;
  done_up_to: string;
  state: string;
  windows: number;
  rows: number;
  created: string;
  started: string;
  finished: string;
  error?: string;
  windows_all?: number;
  windows_done?: number;
}

export interface Alert {
  alertname: string;
  state: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  value: number | null;
  active_since: string;
  firing_since?: string;
  resolved_at?: string;
  kept_firing_since?: string;
  told_at?: string;
  as_of: string;
  flow: string;
}

export interface Flow extends Omit<FlowLine, "dirty" | "alerting" | "executor"> {
  kept: string[];
  vector: string;
  dirty: Record<string, number>;
  left_out_row?: string;
  clash_row?: string;
  keys: Record<string, string>;
  sources?: { labels: Record<string, string>; newest_sample: string; committed_at: string; state: string }[];
  late_samples?: number;
  late_windows?: number;
  max_groups?: number;
  folded?: boolean;
  metrics?: { metric: string; type: string; help: string; unit: string }[];
  alert?: { alertname: string; for: string; keep_firing_for: string; labels: Record<string, string>; annotations: Record<string, string>; alerts: Alert[] };
  columns: { name: string; type: string }[];
  sql: string;
  query: string;
  explained: Explained;
  reads: string[];
  read_by: string[];
  recent_jobs: Job[];
}

export interface Cell {
  end: string;
  windows: number;
  open?: number;
  closed?: number;
  dirty?: number;
  refilling?: number;
  kept?: number;
  results?: boolean;
}

export interface Strip {
  flow: string;
  every: string;
  from: string;
  to: string;
  cell: string;
  stored_until: string;
  watermark: string;
  begins: string;
  first_rebuildable: string;
  cells: Cell[];
}

export interface Change {
  position: number;
  at: string;
  closed: boolean; // it closed the window
  rows: number | null; // that it changed; null where all may have changed
}

export interface Window {
  flow: string;
  window_start: string;
  window_end: string;
  state: string;
  provisional: boolean;
  rows: number;
  vector: string;
  dirty: { group?: Record<string, string>; whole: boolean; reason: string; vector_since: string; first_at: string; last_at: string }[];
  dirty_more?: number;
  jobs: Job[];
  changed: Change | null; // the newest commit that changed it
  changed_before: Change[] | null;
  reads: { from: string; to: string };
  rebuildable: boolean;
}

export interface Partial {
  pane?: string;
  slot?: number;
  group?: Record<string, string>;
  series?: Record<string, string>;
  fields: Record<string, string>;
  value?: string;
}

export interface StateLeaf {
  leaf: string;
  kept: boolean;
  kind: string;
  pane: string;
  bytes: number;
  series: number;
  slots: number;
  groups: number;
  vector: string;
  from: string;
  shared_with?: string[];
  panes: { end: string; cells: number; bytes: number }[];
  panes_more?: number;
  partials: Partial[];
  partials_more?: number;
  window?: { end: string; start: string; whole: boolean; merged: Partial[]; merged_more?: number } | null;
}

export interface State {
  flow: string;
  here: boolean;
  why?: string;
  leader: { name: string; address: string } | null;
  vector?: string;
  bytes?: number;
  leaves?: StateLeaf[];
}

export interface Plan {
  flows: { flow: string; asked: boolean; from: string; to: string; windows: number; rows: number; samples: number; bytes: number; seconds: number; pace: number; refused?: string; hint?: string }[];
  windows: number;
  rows: number;
  samples: number;
  bytes: number;
  seconds: number;
  refused: boolean;
}

export interface Ingest {
  here: boolean;
  at: string;
  process: string;
  since: string;
  samples: number;
  repeats: number;
  unordered: number;
  histograms: number;
  rate: number;
  requests: number;
  buffer_bytes: number;
  buffer_limit: number;
  series: number;
  series_limit: number;
  flushes: Record<string, number>;
  ages: { up_to: string; samples: number }[];
  refused: { reason: string; samples: number; example?: string; sender?: string; at?: string }[];
}

export interface Senders {
  senders: { sender: string; created_last_hour: number; created_last_day: number; created_last_week: number }[];
  pairs: { cluster: string; elected: string; since: string; seen: string }[];
}

export interface Retention {
  kept: string;
  earliest: string;
  dropped: string;
  last_step: string;
  clock: string;
  newest_sample: string;
  future: boolean;
  held?: { since: string; from: string; to: string; segments: number };
}

export interface Raw {
  hot_bytes: number;
  hot_tables: number;
  hot_segments: number;
  sealed_bytes: number;
  sealed_tables: number;
  sealed_segments: number;
  metrics: number;
  series: number;
  earliest: string;
}

export interface Storage {
  raw: Raw;
  regions: { region: number; sequence: number; generation: number; last_flush: string }[];
  generations: { generation: number; state: string; bytes: number; segments: number }[];
  retention: Retention;
  metrics: { metric: string; series: number; samples: number; bytes: number; bytes_per_sample: number }[];
  metrics_more?: number;
}

export interface Status {
  flownodes: Node[];
  leases: { purpose: string; process: string; role: string; application: string; client: string; since: string; last_seen?: string }[];
}

export interface Verification {
  seed: number;
  flows: {
    flow: string;
    windows: number;
    rows: number;
    skipped: Record<string, number> | null;
    differences: number;
    cells: { kind: string; window_end: string; labels: Record<string, string>; stored?: string; computed?: string }[] | null;
  }[];
}

export interface VerifyRun {
  id: number;
  state: string;
  started: string;
  finished: string;
  done: number;
  total: number;
  error?: string;
  result?: Verification | null;
}
