-- series_insert: create the series with metrics $3, identities $4 and labels
-- $5, stamped with region $1 and sequence $2. The region's row is locked and a
-- series belongs to one region, so nobody else can create them meanwhile.
insert into series (metric_id, region, seq, sha256, labels)
select n.metric_id, $1::integer, $2::bigint, n.sha256, n.labels::jsonb
from unnest($3::integer[], $4::bytea[], $5::text[]) as n(metric_id, sha256, labels)
returning id, sha256
