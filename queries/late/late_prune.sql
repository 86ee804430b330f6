-- late_prune: forgets the oldest kept late samples of flow $1 where there are more than $2,
-- and reads no others. By the primary key, whose second column grows with time.
with gone as (
    delete from flow_late_sample
    where ctid = any(array(
        select o.ctid from flow_late_sample o where o.flow_id = $1::integer
        order by o.id limit (select greatest(0, late_kept - $2::bigint) from flow where id = $1::integer)))
    returning 1
)
update flow set late_kept = late_kept - g.n from (select count(*) as n from gone) g
where id = $1::integer and g.n > 0
