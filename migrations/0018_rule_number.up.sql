-- Several rules can have one name and the same static labels. A number tells them apart;
-- 0 where there is no need.
alter table flow add column rule_number smallint not null default 0;
alter table flow drop constraint flow_identity;
alter table flow add constraint flow_identity unique (name, static_labels, rule_number);

-- Rows that a rule gives and that do not stand in its table, because a rule of a smaller
-- number gives the same window and labels. When that one gives the row no more, this one
-- takes its place.
create table flow_clash (
    flow_id integer not null references flow (id) on delete cascade,
    window_end bigint not null,    -- ms since the epoch
    labels jsonb not null,         -- of the row, as the table's columns: {"column": value}, or what its one column holds
    window_start bigint not null,  -- ms since the epoch
    value double precision,        -- null where there is a histogram
    histogram histogram,
    stands_id integer not null,    -- the flow whose row stands in the table
    differs boolean not null       -- the results are not equal
);
create index flow_clash_window on flow_clash (flow_id, window_end);
