-- generation_freeze: close generation $1. Up to the positions $2 everything is in
-- it or in an older one, and nothing after them is.
update generation set state = 'frozen', frozen_at = clock_timestamp(), frozen_vector = $2::jsonb
where id = $1::integer and state = 'current'
