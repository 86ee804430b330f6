-- metric_metadata: type, help and unit of the metrics that have samples, as their
-- senders describe them. Where only the family is described (x for x_bucket,
-- x_count, x_total), that description counts; described_as is the name it has.
create or replace view metric_metadata as
select m.name as metric, d.type, d.help, d.unit, d.metric as described_as, d.changed_at
from metric m
cross join lateral (
    select * from metadata
    where metadata.metric in (m.name,
        regexp_replace(m.name, '_(bucket|count|sum|gcount|gsum|total|created|info)$', ''))
    order by metadata.metric = m.name desc
    limit 1
) d
