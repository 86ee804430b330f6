-- Raw samples: regions, flushes, series, hot and sealed segments.
--
-- Every name is unqualified: migrations run with search_path set to the schema
-- that holds Laminar's own tables (default "laminar").

-- One row, written at installation and never changed.
create table installation (
    only_row boolean primary key default true,
    id uuid not null default gen_random_uuid(),
    regions integer not null,
    created_at timestamptz not null default now(),
    constraint installation_one_row check (only_row),
    constraint installation_regions_range check (regions between 1 and 1024)
);

-- A region counts its own commits. Its row is locked by the first statement of
-- every flush and stays locked until the commit: that makes commit order
-- sequence order (I1). A low fillfactor keeps the updates on one page.
create table region (
    id integer primary key,
    last_seq bigint not null default 0,
    last_flush uuid,  -- the flush that took last_seq
    prev_flush uuid,  -- the flush before it
    generation integer not null default 1,
    constraint region_id_positive check (id > 0),
    constraint region_seq_positive check (last_seq >= 0)
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- A generation is the set of hot segments written between two freezes. Its
-- table is hot_<id>. It is written to (current), then closed (frozen), then
-- merged (sealed), then its table is dropped (dropped).
create table generation (
    id integer primary key,
    state text not null default 'current',
    created_at timestamptz not null default now(),
    frozen_at timestamptz,
    sealed_at timestamptz,
    dropped_at timestamptz,
    frozen_vector jsonb, -- {"region": last sequence that could be in it}
    constraint generation_state_known check (state in ('current', 'frozen', 'sealed', 'dropped')),
    constraint generation_frozen_has_vector check (state = 'current' or frozen_vector is not null)
);
create unique index generation_one_current on generation (state) where state = 'current';

-- One row per flush: which commit took a sequence. Tells whether a commit of
-- unknown outcome happened (I2), and whether history changed under a cache.
-- The arrays sum up its segments by metric, so that what a flush brought is
-- known without reading the hot table. Regions are never deleted: a foreign key
-- would cost every flush a look-up and guard nothing.
create table flush (
    region integer not null,
    seq bigint not null,
    id uuid not null,
    committed_at timestamptz not null default clock_timestamp(),
    metric_ids integer[] not null default '{}',
    samples bigint[] not null default '{}',  -- by metric
    max_ts bigint[] not null default '{}',   -- by metric: newest sample, ms since the epoch
    primary key (region, seq),
    constraint flush_seq_positive check (seq > 0),
    constraint flush_arrays_same_length check (cardinality(metric_ids) = cardinality(samples)
        and cardinality(metric_ids) = cardinality(max_ts))
);

-- Tables that no new reader needs: hot tables of sealed generations, expired
-- partitions. readers are the virtual transactions that were running when the
-- table had stopped being needed, null before they were listed; the table is
-- dropped when none of them runs any more, because a drop is not MVCC-safe: an
-- older snapshot would find its rows nowhere.
create table unused_table (
    name text primary key,
    since timestamptz not null default clock_timestamp(),
    readers text[]
);

-- The views and functions in queries/ that were installed last.
create table installed_code (
    only_row boolean primary key default true,
    sha256 bytea not null,
    constraint installed_code_one_row check (only_row)
);

create table metric (
    id integer generated always as identity primary key,
    name text not null unique,
    constraint metric_name_not_empty check (name <> '')
);

-- A series belongs to one region for ever; (region, seq) is the flush that
-- created it, so a reader at a vector sees exactly the series up to there.
-- Metrics and regions are never deleted, so there are no foreign keys: their row
-- locks would make the flushes of different regions share tuple locks.
create table series (
    id integer generated always as identity primary key,
    metric_id integer not null,
    region integer not null,
    seq bigint not null,
    sha256 bytea not null unique,
    labels jsonb not null, -- {"name": "value"}, __name__ included
    constraint series_seq_positive check (seq > 0),
    constraint series_sha256_length check (octet_length(sha256) = 32)
);
create index series_by_metric on series (metric_id, region, seq);

-- The time no series of a metric has a newer sealed sample than, by region.
-- Sealing keeps it up to date, retention never lowers it: it is the floor for
-- the ordered decision about series that an ingester knows nothing of.
create table metric_floor (
    region integer not null,
    metric_id integer not null,
    max_t bigint not null, -- milliseconds since the epoch
    primary key (region, metric_id)
);

-- The shape of a hot segment. Every generation has a table of its own made
-- LIKE this one (hot_<id>), plain and not a partition: a drop must not lock
-- what readers of other generations use, and is not MVCC-safe.
-- Fixed-width columns first, so that rows have no padding; arrays of small
-- elements because lz4 then gets them below 11 bytes a sample (docs/storage.md).
create table hot_template (
    seq bigint not null,
    base_t bigint not null,    -- ms since the epoch
    min_t bigint not null,     -- ms since the epoch
    max_t bigint not null,     -- ms since the epoch
    region integer not null,
    metric_id integer not null,
    segment integer not null,  -- number within its flush
    samples integer not null,
    ordered boolean not null,
    has_stale boolean not null,
    series_ids integer[] not null,
    offsets integer[] not null, -- ms since base_t
    vals float8[] not null,
    constraint hot_seq_positive check (seq > 0),
    constraint hot_span_ordered check (base_t >= 0 and base_t <= min_t and min_t <= max_t),
    constraint hot_arrays_same_length check (samples > 0 and cardinality(series_ids) = samples
        and cardinality(offsets) = samples and cardinality(vals) = samples)
);
create index hot_template_by_metric on hot_template (metric_id, region, seq);

-- Sealed segments, by time bucket. Partitions are made standalone and attached;
-- there is no default partition. Sorted by (series, time), no (series, time)
-- twice; segments of one region, metric and bucket have sequence ranges that
-- are disjoint or (chunks of one merge) equal with disjoint series.
create table sealed (
    bucket bigint not null,    -- start of the time bucket, ms since the epoch
    min_seq bigint not null,
    max_seq bigint not null,
    base_t bigint not null,
    min_t bigint not null,
    max_t bigint not null,
    region integer not null,
    metric_id integer not null,
    samples integer not null,
    has_stale boolean not null,
    series_ids integer[] not null,
    offsets integer[] not null,
    vals float8[] not null,
    constraint sealed_seq_ordered check (0 < min_seq and min_seq <= max_seq),
    constraint sealed_span_ordered check (base_t <= min_t and min_t <= max_t),
    constraint sealed_in_bucket check (bucket <= min_t and max_t < bucket + 86400000),
    constraint sealed_arrays_same_length check (samples > 0 and cardinality(series_ids) = samples
        and cardinality(offsets) = samples and cardinality(vals) = samples)
) partition by range (bucket);
create index sealed_by_metric on sealed (metric_id, region, max_seq);

-- Raw samples before earliest_t have been given up. The row only grows and is
-- committed before anything is dropped (I6).
create table retention (
    only_row boolean primary key default true,
    earliest_t bigint not null default 0, -- milliseconds since the epoch
    constraint retention_one_row check (only_row)
);
insert into retention default values;

-- lz4 packs and unpacks several times faster than pglz, where the server has it
-- (14 and later, if built with it). Hot tables and partitions take it over.
do $$
declare
    target text;
begin
    if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals)) then
        foreach target in array array['hot_template', 'sealed'] loop
            execute format('alter table %I alter series_ids set compression lz4,
                alter offsets set compression lz4, alter vals set compression lz4', target);
        end loop;
    end if;
end $$;
