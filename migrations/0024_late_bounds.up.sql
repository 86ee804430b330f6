-- How much is noted of late samples of a flow, so that it can be bounded.
alter table flow add column late_noted bigint not null default 0; -- rows of flow_late; counted anew when the flow is taken
alter table flow add column late_kept bigint not null default 0;  -- rows of flow_late_sample; likewise
alter table flow add column late_stretches bigint[] not null default '{}'; -- further windows that may lack samples: those with a < end <= b (ms) of a, b, a, b ...; they ascend and do not touch
update flow f set late_noted = (select count(*) from flow_late l where l.flow_id = f.id),
                  late_kept = (select count(*) from flow_late_sample x where x.flow_id = f.id);
