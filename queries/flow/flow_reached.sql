-- flow_reached: by which times, ms, flow $1 keeps its results: see flow_kept.
select coalesce(newest_t, -1), least(coalesce(newest_at, -1), (extract(epoch from db_clock()) * 1000)::bigint), coalesce(emitted_until, -1)
from flow where id = $1::integer
