-- Alerting rules: the state of their alerts, what changed it, and what Alertmanagers are
-- still to be told. A rule is a flow whose definition has an alert. All of it is written
-- by the round of that flow, together with its results (I4).
--
-- Times are ms since the epoch, ends of windows, but for those of the database's clock,
-- which are timestamps. A fingerprint is 8 bytes of the SHA-256 of the labels' text.

-- The alerts of each rule after its last closed window.
create table alert (
    flow_id integer not null references flow (id) on delete cascade,
    fingerprint bigint not null,
    labels jsonb not null,        -- alertname included
    annotations jsonb not null,   -- of the last window that had a row
    phase text not null,
    value double precision not null,
    active_at bigint not null,    -- since when the expression has had the labels
    fired_at bigint,              -- null while pending
    resolved_at bigint,           -- null unless resolved
    kept_since bigint,            -- first window without a row, while keep_firing_for makes it fire on
    sent_at timestamptz,          -- when an Alertmanager last took it; null before
    primary key (flow_id, fingerprint),
    constraint alert_phase_known check (phase in ('pending', 'firing', 'resolved')),
    constraint alert_times_fit check ((phase = 'pending') = (fired_at is null) and (phase = 'resolved') = (resolved_at is not null))
) with (fillfactor = 70);

-- Every change of an alert. Those that stand (withdrawn_at is null) give the state at any
-- time: the last of each label set up to there.
create table alert_history (
    id bigint generated always as identity primary key,
    flow_id integer not null references flow (id) on delete cascade,
    fingerprint bigint not null,
    labels jsonb not null,
    annotations jsonb not null,
    window_end bigint not null,   -- of the window that brought the change
    phase text not null,          -- from there on
    reason text not null,         -- flownode/alert, Reason
    value double precision not null,
    active_at bigint not null,
    fired_at bigint,
    resolved_at bigint,
    kept_since bigint,
    corrected boolean not null,   -- the window said something else before late samples came
    recorded_at timestamptz not null default clock_timestamp(),
    withdrawn_at timestamptz,     -- when late samples showed that it never was so; null while it stands
    constraint alert_history_phase_known check (phase in ('pending', 'firing', 'resolved', 'inactive'))
);
create index alert_history_window on alert_history (flow_id, window_end) where withdrawn_at is null;
create index alert_history_instance on alert_history (flow_id, fingerprint, window_end desc) where withdrawn_at is null;

-- What Alertmanagers are still to be told. Rows go when they have been sent, or are too
-- old to be of use.
create table alert_notice (
    id bigint generated always as identity primary key,
    flow_id integer not null references flow (id) on delete cascade,
    fingerprint bigint not null,
    labels jsonb not null,
    annotations jsonb not null,
    window_end bigint not null,
    phase text not null,
    value double precision not null,
    starts_at bigint not null,
    ends_at bigint,
    corrected boolean not null,
    noted_at timestamptz not null default clock_timestamp(),
    constraint alert_notice_phase_known check (phase in ('firing', 'resolved') and (phase = 'resolved') = (ends_at is not null))
);
