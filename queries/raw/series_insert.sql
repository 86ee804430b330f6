-- series_insert: create the series with metrics $3, identities $4 and labels
-- $5, stamped with region $1 and sequence $2. The region's row is locked and a
-- series belongs to one region, so nobody else can create them meanwhile. A metric that
-- has been removed since it was looked up gets none: metrics are removed with the rows
-- of all regions locked.
insert into series (metric_id, region, seq, sha256, labels)
select n.metric_id, $1::integer, $2::bigint, n.sha256, n.labels::jsonb
from unnest($3::integer[], $4::bytea[], $5::text[]) as n(metric_id, sha256, labels)
where n.metric_id in (select m.id from metric m where m.id = any($3::integer[]))
returning id, sha256
