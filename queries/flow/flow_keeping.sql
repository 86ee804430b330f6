-- flow_keeping: the flows that keep their results for a time, in id order.
select id from flow where coalesce((definition ->> 'keep')::bigint, 0) > 0 order by id
