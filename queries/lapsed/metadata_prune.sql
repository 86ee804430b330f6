-- metadata_prune: forget what was said, more than a day ago, of metrics that are not there,
-- neither by themselves nor by the names that the series of their family have. Reads all of
-- metadata, and of metric by its unique index.
delete from metadata d
where d.changed_at < db_clock() - interval '1 day' and not exists (
    select from unnest('{"",_bucket,_count,_sum,_total,_created,_info,_gcount,_gsum}'::text[]) suffix
    join metric m on m.name = d.metric || suffix)
