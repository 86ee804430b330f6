-- metric_find: the metrics with one of the names $1, by the unique index.
select id, name from metric where name = any($1::text[])
