-- change_closed: the windows that flow $1 has closed after position $2: those with an end
-- after the first time up to the second (ms); nulls for none. What commits close joins on,
-- so it is one span. Reads by the primary key.
select min(closed_after), max(window_end) from flow_change
where flow_id = $1::integer and position > $2::bigint and closed_after is not null
