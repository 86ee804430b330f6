-- unpack_columns(packed, base_t): the samples of a packed hot segment whose times
-- count from base_t ms, in the order in which they stand. A stale marker has the
-- value null. docs/storage.md has the layout. Nothing is checked here: for
-- damaged bytes see laminar's own reading, which has a checksum.
-- It is made so that the planner can put it into the query that calls it (no
-- strict, no set clause, nothing that is not in pg_catalog): segments are small,
-- and starting a function for each would cost more than unpacking does. "offset
-- 0" keeps what is computed once per segment, or per sample, from being computed
-- in every place that uses it.
create or replace function unpack_columns(packed bytea, base_t bigint)
returns table (series_id integer, t bigint, value double precision)
language sql immutable parallel safe rows 100
as $$
select sample.id, sample.t,
       case head.mode when 0 then sample.i::double precision
            when 31 then case when sample.i = 9218868437227405314 then null else
                case when sample.i < 0 then -1 else 1 end::double precision *
                case (sample.i >> 52) & 2047
                    when 2047 then case when sample.i & 4503599627370495 = 0 then 'Infinity' else 'NaN' end::double precision
                    when 0 then (sample.i & 4503599627370495)::double precision * 4.94065645841246544e-324::double precision
                    else ((sample.i & 4503599627370495 | 4503599627370496)::double precision / 4503599627370496)
                        * power(2::double precision, ((sample.i >> 52) & 2047) - 1023)
                end end
            else sample.i::double precision / ('{1,1e1,1e2,1e3,1e4,1e5,1e6,1e7,1e8,1e9,1e10,1e11,1e12,1e13,1e14,1e15}'::double precision[])[head.mode + 1]
       end
from (
    select b, get_byte(b, 9) as mode, get_byte(b, 10) as id_width, get_byte(b, 11) as t_width, get_byte(b, 12) as i_width,
           ((get_byte(b, 5) << 8 | get_byte(b, 6)) << 8 | get_byte(b, 7)) << 8 | get_byte(b, 8) as n,
           ((get_byte(b, 13) << 8 | get_byte(b, 14)) << 8 | get_byte(b, 15)) << 8 | get_byte(b, 16) as first_id,
           ((((((get_byte(b, 17) << 8 | get_byte(b, 18)) << 8 | get_byte(b, 19))::bigint << 8 | get_byte(b, 20)) << 8 | get_byte(b, 21)) << 8 | get_byte(b, 22)) << 8 | get_byte(b, 23)) << 8 | get_byte(b, 24) as low
    from (select substring(packed from 1) as b offset 0) once -- out of TOAST
    offset 0
) head
cross join lateral (
    select head.first_id + case head.id_width when 0 then 0 when 1 then get_byte(b, id_at)
               when 2 then get_byte(b, id_at) << 8 | get_byte(b, id_at + 1)
               when 3 then (get_byte(b, id_at) << 8 | get_byte(b, id_at + 1)) << 8 | get_byte(b, id_at + 2)
               else ((get_byte(b, id_at) << 8 | get_byte(b, id_at + 1)) << 8 | get_byte(b, id_at + 2)) << 8 | get_byte(b, id_at + 3) end as id,
           base_t + case head.t_width when 0 then 0 when 1 then get_byte(b, t_at)
               when 2 then get_byte(b, t_at) << 8 | get_byte(b, t_at + 1)
               when 3 then (get_byte(b, t_at) << 8 | get_byte(b, t_at + 1)) << 8 | get_byte(b, t_at + 2)
               else ((get_byte(b, t_at) << 8 | get_byte(b, t_at + 1)) << 8 | get_byte(b, t_at + 2)) << 8 | get_byte(b, t_at + 3) end as t,
           head.low + case head.i_width when 0 then 0 when 1 then get_byte(b, i_at)
               when 2 then get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)
               when 3 then (get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2)
               when 4 then ((get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2))::bigint << 8 | get_byte(b, i_at + 3)
               when 5 then (((get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2))::bigint << 8 | get_byte(b, i_at + 3)) << 8 | get_byte(b, i_at + 4)
               when 6 then ((((get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2))::bigint << 8 | get_byte(b, i_at + 3)) << 8 | get_byte(b, i_at + 4)) << 8 | get_byte(b, i_at + 5)
               when 7 then (((((get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2))::bigint << 8 | get_byte(b, i_at + 3)) << 8 | get_byte(b, i_at + 4)) << 8 | get_byte(b, i_at + 5)) << 8 | get_byte(b, i_at + 6)
               else ((((((get_byte(b, i_at) << 8 | get_byte(b, i_at + 1)) << 8 | get_byte(b, i_at + 2))::bigint << 8 | get_byte(b, i_at + 3)) << 8 | get_byte(b, i_at + 4)) << 8 | get_byte(b, i_at + 5)) << 8 | get_byte(b, i_at + 6)) << 8 | get_byte(b, i_at + 7) end as i
    from (
        select 25 + nr * head.id_width as id_at, 25 + head.n * head.id_width + nr * head.t_width as t_at,
               25 + head.n * (head.id_width + head.t_width) + nr * head.i_width as i_at
        from generate_series(0, head.n - 1) nr
    ) place
    offset 0
) sample
$$
