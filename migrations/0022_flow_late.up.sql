-- What came too late for closed windows that keep their values (late: drop, or
-- allowed_lateness). Written in the transaction that moves the flow over these samples,
-- so each is counted once.
alter table flow add column late_samples bigint not null default 0; -- that stay out of some window, each once; a refill does not lower it

-- Closed windows that lack samples. A refill takes them in, and the row with it.
create table flow_late (
    flow_id integer not null references flow (id) on delete cascade,
    window_end bigint not null, -- ms since the epoch
    group_key text not null,    -- '' for all groups, else the group's labels as a JSON object text with sorted keys
    samples bigint not null,    -- how many, each counted for every leaf that reads it; 0: perhaps some, sealing was ahead of the flow
    value double precision,     -- what they add to the group's row (late: side_output); else null
    columns jsonb,              -- the label columns of that row, texts in their order; null with value
    primary key (flow_id, window_end, group_key),
    constraint flow_late_row check ((value is null) = (columns is null))
);

-- The samples, of flows that keep them (keep_late). Their labels are copied, because a
-- series may go before the row does.
create table flow_late_sample (
    id bigint generated always as identity,
    flow_id integer not null references flow (id) on delete cascade,
    series_id integer not null,
    labels jsonb not null,     -- {"name": "value"}, __name__ included
    ts bigint not null,        -- ms since the epoch
    value double precision not null, -- of a histogram its sum
    first_end bigint not null, -- ms: the first of the windows that it stayed out of
    last_end bigint not null,  -- ms: the last of them
    at timestamptz not null,   -- by the database's clock: when it was left out
    primary key (flow_id, id)
);
