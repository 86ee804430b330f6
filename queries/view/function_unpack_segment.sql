-- unpack_segment(packed, base_t): the samples of a packed segment whose times
-- count from base_t ms, sorted by (series, time). A stale marker has the value
-- null. docs/storage.md has the layout, with an example. Nothing is checked
-- here: for damaged bytes see laminar's own reading, which has a checksum.
create or replace function unpack_segment(packed bytea, base_t bigint)
returns table (series_id integer, t bigint, value double precision)
language sql immutable strict parallel safe rows 10000
set search_path from current
as $$
with bytes as materialized (
    select substring(packed from 1) as b -- once out of TOAST
), head as materialized (
    select b, ('x' || encode(substring(b from 6 for 4), 'hex'))::bit(32)::integer as samples,
           ('x' || encode(substring(b from 10 for 4), 'hex'))::bit(32)::integer as runs,
           ('x' || encode(substring(b from 14 for 4), 'hex'))::bit(32)::integer as exceptions
    from bytes
), part as (
    select k, b, case when k < 5 then runs when k < 7 then samples - runs else exceptions end as n,
           ('x' || encode(substring(b from 18 + 4 * k for 4), 'hex'))::bit(32)::integer as len
    from head, generate_series(0, 8) k
), stream as materialized (
    select k, unpack_ints(substring(b from 54 + (sum(len) over (order by k) - len)::integer for len), n) as ints
    from part
), run as materialized (
    select r, (sum(id) over up_to_here)::integer as series_id, count, mode & 31 as kind, mode & 32 <> 0 as absolute, first_t, first_i,
           (sum(count) over up_to_here)::integer - count as before
    from unnest((select ints from stream where k = 0), (select ints from stream where k = 1), (select ints from stream where k = 2),
                (select ints from stream where k = 3), (select ints from stream where k = 4))
         with ordinality as u(id, count, mode, first_t, first_i, r)
    window up_to_here as (order by r rows unbounded preceding)
), step as (
    -- The run's first sample stands in run, its others in the streams 5 and 6.
    select r, j, before + j as sample, run.series_id, kind, absolute,
           (case when j = 0 then first_t else (select ints from stream where k = 5)[before - r + 1 + j] end)::integer as dt,
           case when j = 0 then first_i else (select ints from stream where k = 6)[before - r + 1 + j] end as di
    from run, generate_series(0, count - 1) j
), sample as (
    select sample, step.series_id, kind, base_t + sum(dt) over up_to_here as t,
           case when absolute then di else (sum(di) over up_to_here)::bigint end as i
    from step
    window up_to_here as (partition by r order by j rows unbounded preceding)
), exception as materialized (
    select (sum(diff) over (order by nr))::bigint as sample, bits
    from unnest((select ints from stream where k = 7), (select ints from stream where k = 8)) with ordinality as u(diff, bits, nr)
)
select s.series_id, s.t,
       case when bits = 9218868437227405314 then null
            when bits is not null then float8_of_bits(bits)
            else i::double precision / ('{1,1e1,1e2,1e3,1e4,1e5,1e6,1e7,1e8,1e9,1e10,1e11,1e12,1e13,1e14,1e15}'::double precision[])[kind + 1]
       end
from (
    select sample, sample.series_id, t, i, kind,
           coalesce(bits, case when kind = 31 then case when i < 0 then i # 9223372036854775807 else i end end) as bits
    from sample left join exception using (sample)
) s
order by s.sample
$$
