-- sender_created: the senders $2 have brought region $1 so many new series $3 in this
-- hour. In the flush that creates them: the region's lock keeps others from the rows.
insert into series_sender as s (hour, sender, region, created)
select (extract(epoch from db_clock()) * 1000)::bigint / 3600000 * 3600000, n.sender, $1::integer, n.created
from unnest($2::text[], $3::bigint[]) as n(sender, created)
on conflict (hour, sender, region) do update set created = s.created + excluded.created
