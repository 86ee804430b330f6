-- census_named: the labels of the series with the ids $1. Reads the primary key.
select id, labels from series where id = any($1::integer[])
