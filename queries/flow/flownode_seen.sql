-- flownode_seen: flownode $1, called $2, that serves on $3, is alive. By the primary key.
insert into flownode as f (id, name, address, started_at, seen_at)
values ($1::uuid, $2, nullif($3::text, ''), clock_timestamp(), clock_timestamp())
on conflict (id) do update set seen_at = clock_timestamp()
