-- retention_step: give up samples older than $1 ms, by the database's clock and not
-- beyond the newest sample less that (retention_cut). A step of more than a day is
-- held back; with $2 (ms, null otherwise), which a person has confirmed, it is taken
-- up to there. While nothing is given up there is no step to judge it by: then it is
-- held back, too, when it is more than a day beyond the oldest sample. hot_template
-- stands for the unsealed generations' tables. The row is committed before anything is
-- dropped (I6).
update retention r
set earliest_t = greatest(r.earliest_t, case when not x.held then x.target end),
    stepped_at = case when x.held then r.stepped_at else x.now_ms end,
    held_t = case when x.held then x.target end,
    held_since = case when x.held then coalesce(r.held_since, x.now_ms) end
from (
    select c.now_ms, c.cut_t, t.target,
           coalesce((c.too_far or o.hot_t < c.cut_t - 86400000) and $2::bigint is null, false) as held
    from retention_cut($1::bigint) c
    cross join lateral (select case when c.cut_t is not null then least(c.cut_t, $2::bigint / 86400000 * 86400000) end as target) t
    cross join (select case when b.earliest_t = 0 then (select min(h.min_t) from hot_template h) end as hot_t from retention b) o
) x
returning r.earliest_t, coalesce(r.held_t, -1), coalesce(least(x.cut_t, r.earliest_t), 0)
