-- Retention goes by the database's clock, in steps of a day at most, and can be
-- taken back for as long as nothing has been dropped.

-- The clock that every decision about data goes by. A function, so that a test can
-- set the clock of its own database for all processes at once; the planner puts
-- its body in place of the call.
create function db_clock() returns timestamptz
language sql volatile
as $$ select clock_timestamp() $$;

-- Two times instead of one. Before earliest_t samples are given up: readers, senders
-- and refills are refused them, but they are still there. Before dropped_t they are
-- gone. dropped_t <= earliest_t, and dropped_t only grows: it is raised in the
-- transaction that drops (I6). So earliest_t may be lowered down to dropped_t:
-- whatever has read the higher time has left something out, and computed nothing
-- from samples of which some were gone.
alter table retention add column dropped_t bigint not null default 0;  -- milliseconds since the epoch
alter table retention add column grace_ms bigint;                      -- how long what is given up is kept, as the last serving process has said; null until one has
alter table retention add column stepped_at bigint;                    -- database's clock at the last step that was not held back, ms
alter table retention add column held_t bigint;                        -- what a step held back would give up, null when none is
alter table retention add column held_since bigint;                    -- database's clock when it was first held back, ms

-- What has been dropped before this migration is not known. Where the time is not in
-- the future, all of it may be. A time in the future comes from a clock that was
-- wrong: what is still there begins at the oldest partition, else today.
update retention r set dropped_t = case
    when r.earliest_t <= x.now_ms then r.earliest_t
    else least(coalesce(x.oldest, x.now_ms / 86400000 * 86400000), r.earliest_t) end
from (
    select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms,
           (select min((extract(epoch from to_date(substr(c.relname::text, 8), 'YYYYMMDD')) * 1000)::bigint)
            from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = to_regclass('sealed') and c.relname ~ '^sealed_\d{8}$') as oldest
) x;

-- retention_cut(keep_ms): the time before which samples may be given up, by the
-- database's clock and by what is stored, and whether a step there is to be held
-- back.
--
--   now_ms     the database's clock
--   newest_t   a time that the newest sample is not older than, null without samples:
--              of sealed samples exactly, of others by the last flushes
--   cut_t      the earlier of both less keep_ms, at the begin of a day; null without samples
--   last_t     what the last step gave up; before the first one, what was due when the
--              database was installed
--   too_far    cut_t is more than a day beyond last_t: the clock has jumped, or nobody was
--              there for days, or keep_ms has become less
create function retention_cut(keep_ms bigint)
returns table (now_ms bigint, newest_t bigint, cut_t bigint, last_t bigint, too_far boolean)
language sql volatile
as $$
select x.now_ms, x.newest_t, c.cut_t, x.last_t, coalesce(c.cut_t > x.last_t + 86400000, false)
from (
    select (extract(epoch from db_clock()) * 1000)::bigint as now_ms,
           (select max(n.t) from (
                select max(max_t) as t from metric_floor
                union all
                select max(m.t) from region g
                join flush f on f.region = g.id and f.seq > g.last_seq - 100
                cross join unnest(f.max_ts) m(t)
            ) n) as newest_t,
           case when r.earliest_t > 0 then r.earliest_t
                else ((extract(epoch from i.created_at) * 1000)::bigint - keep_ms) / 86400000 * 86400000 end as last_t
    from retention r left join installation i on true
) x
cross join lateral (select case when x.newest_t is not null
    then greatest(least(x.now_ms, x.newest_t) - keep_ms, 0) / 86400000 * 86400000 end as cut_t) c
$$;
