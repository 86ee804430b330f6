-- late_prune: forgets the oldest kept late samples of flow $1 where there are more than $2.
-- By the primary key, whose second column grows with time.
delete from flow_late_sample
where flow_id = $1::integer
  and id <= (select id from flow_late_sample where flow_id = $1::integer order by id desc offset $2::bigint limit 1)
