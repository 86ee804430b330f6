-- late_prune: forgets kept late samples of flow $1 that were left out more than $2 ms ago,
-- and the oldest where there are more than $3. By the primary key, whose second column
-- grows with time.
delete from flow_late_sample
where flow_id = $1::integer
  and (id <= (select id from flow_late_sample where flow_id = $1::integer order by id desc offset $3::bigint limit 1)
       or id < (select id from flow_late_sample where flow_id = $1::integer and at >= db_clock() - $2::bigint * interval '1 ms' order by id limit 1))
