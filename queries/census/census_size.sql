-- census_size: about how many series there are, as PostgreSQL estimates.
select greatest(reltuples, 0)::bigint from pg_class where oid = 'series'::regclass
