-- series_find: the series with one of the identities $1, by the unique index on
-- sha256.
select id, sha256 from series where sha256 = any($1::bytea[])
