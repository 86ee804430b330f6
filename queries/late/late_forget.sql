-- late_forget: forgets kept late samples that are older at $1 (ms) than their flow keeps
-- them. Reads all of the table.
delete from flow_late_sample x
using flow f
where f.id = x.flow_id and x.at < to_timestamp($1::bigint / 1000.0) - coalesce((f.definition ->> 'keep_late')::bigint, 0) * interval '1 ms'
