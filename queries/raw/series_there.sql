-- series_there: how many of the series $1 there are, by the primary key.
select count(*) from unnest($1::integer[]) as x(id) join series s on s.id = x.id
