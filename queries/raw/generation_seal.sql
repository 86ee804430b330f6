-- generation_seal: generation $1 is merged. From the commit on, every new
-- snapshot reads its samples from sealed and none from its hot table.
update generation set state = 'sealed', sealed_at = clock_timestamp() where id = $1::integer
