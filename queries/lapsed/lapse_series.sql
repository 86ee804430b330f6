-- lapse_series: the series after id $1, $2 of them, by the primary key.
select id, metric_id, region, seq from series where id > $1::integer order by id limit $2::integer
