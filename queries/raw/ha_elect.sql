-- ha_elect: data of replica $2 of cluster $1 has come: take note of it if it is
-- the elected one, or elect it if the elected one has been silent for $3 ms; by
-- the database's clock, with the row locked. A time ahead of the clock by as
-- much, left over from a clock that was set back, counts as silence too.
-- Returns who is elected now, and for how many ms nobody else can be. Where the
-- row was changed meanwhile that is not positive, or there is no row: ask again.
with elected as (
    insert into ha_election as e (cluster, replica, elected_at, seen_at)
    values ($1, $2, db_clock(), db_clock())
    on conflict (cluster) do update
    set replica = excluded.replica,
        elected_at = case when e.replica = excluded.replica then e.elected_at else db_clock() end,
        seen_at = db_clock()
    where e.replica = excluded.replica
       or e.seen_at <= db_clock() - $3::bigint * interval '1 millisecond'
       or e.seen_at > db_clock() + $3::bigint * interval '1 millisecond'
    returning replica
)
select replica, $3::bigint as left_ms from elected
union all
select replica, floor(extract(epoch from seen_at - db_clock()) * 1000)::bigint + $3::bigint
from ha_election
where cluster = $1 and not exists (select from elected)
