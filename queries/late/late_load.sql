-- late_load: how many windows with a group are noted of flow $1, which is locked, that lack
-- late samples, and stretches of further ones. What is noted is counted anew: a version that
-- knows nothing of the counts may have written. By the primary keys.
update flow f set late_noted = (select count(*) from flow_late where flow_id = $1::integer),
                  late_kept = (select count(*) from flow_late_sample where flow_id = $1::integer)
where f.id = $1::integer
returning late_noted, late_stretches
