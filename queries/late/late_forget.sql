-- late_forget: forgets kept late samples that are older than their flow keeps them: it may
-- get no others, with which they would be forgotten. Reads all of the table.
delete from flow_late_sample x
using flow f
where f.id = x.flow_id and x.at < db_clock() - coalesce((f.definition ->> 'keep_late')::bigint, 0) * interval '1 ms'
