-- Flows: the catalogue, their progress, their dirty list, and jobs.

-- A flow's identity is (name, static labels). vector, flushes, emitted_until,
-- watermark and the dirty list move in one transaction with its results (I4),
-- which begins with: update flow ... where vector = A and epoch = E.
create table flow (
    id integer generated always as identity primary key,
    name text not null,
    static_labels jsonb not null default '{}',
    title text not null,           -- name, and the static labels where there are any: the flow for people
    definition jsonb not null,     -- normalized definition; see flowdef
    definition_hash bytea not null,
    fence_group text not null,     -- flows of one group see one vector
    table_schema text not null,
    table_name text not null,
    own_columns jsonb not null default '{}', -- what only this flow's rows have in the table: {"column": value}
    step bigint not null,          -- ms between window ends
    window_length bigint not null, -- ms from a result's window_start to its window_end
    epoch bigint not null default 0,       -- grows when a flownode takes the flow over
    vector jsonb not null default '{}',    -- {"region": sequence} the results stand for
    flushes jsonb not null default '{}',   -- {"region": flush id} of vector, to notice a changed history
    emitted_until bigint,  -- ms: every window with an end up to here is in the table, on the dirty list, or empty; null before the first sample
    newest_t bigint,       -- ms: newest sample seen, not beyond the database's clock
    newest_at bigint,      -- ms: the database's clock when newest_t last grew
    watermark bigint,      -- ms: at vector; windows with an end up to here are closed
    error text,            -- why the flow stands still, null when it does not
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint flow_identity unique (name, static_labels),
    constraint flow_name_not_empty check (name <> ''),
    constraint flow_step_positive check (step > 0 and window_length > 0),
    constraint flow_vector_is_object check (jsonb_typeof(vector) = 'object' and jsonb_typeof(flushes) = 'object')
) with (fillfactor = 50);

-- Closed windows still to be recomputed. An empty group_key says the whole
-- window, otherwise there is one row for each group.
create table flow_dirty (
    flow_id integer not null references flow (id) on delete cascade,
    window_end bigint not null,    -- ms since the epoch
    group_key text not null,       -- '' for all groups, else the group's labels as a JSON object text with sorted keys
    reason text not null,          -- flowplan.Reason
    since_vector jsonb not null,   -- the flow's vector before the sequences that made it dirty
    first_at bigint not null,      -- ms, database clock: when it first became dirty
    last_at bigint not null,       -- ms, database clock: when it last became dirty
    primary key (flow_id, window_end, group_key)
);

create table job (
    id bigint generated always as identity primary key,
    flow_id integer not null references flow (id) on delete cascade,
    kind text not null,
    from_t bigint not null,     -- windows with from_t < end <= to_t (ms)
    to_t bigint not null,
    next_t bigint not null,     -- every window with an end up to here is done
    state text not null default 'queued',
    windows_done bigint not null default 0,
    rows_written bigint not null default 0,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    constraint job_kind_known check (kind in ('refill')),
    constraint job_state_known check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    constraint job_span_ordered check (from_t < to_t and next_t between from_t and to_t)
);
create index job_unfinished on job (flow_id, id) where state in ('queued', 'running');
