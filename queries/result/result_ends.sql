-- result_ends: the ends of a flow's windows with $1 < window_end <= $2, ms, the first $3
-- of them. $4 tells its rows. Looks for each window in the primary key, and passes over
-- the rows of the windows before.
with recursive e(window_end, number) as (
    (select r.window_end, 1 from result_table r
     where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $4::text
     order by r.window_end limit 1)
    union all
    select (select r.window_end from result_table r
            where r.window_end > e.window_end and r.window_end <= $2::timestamptz and r.label_columns = $4::text
            order by r.window_end limit 1), e.number + 1
    from e where e.window_end is not null and e.number < $3::integer
)
select (extract(epoch from e.window_end) * 1000)::bigint from e where e.window_end is not null order by e.window_end
