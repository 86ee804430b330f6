-- lease_there: whether the table of leases has been made in the schema in use.
select exists (select from pg_class where relname = 'lease' and relnamespace = to_regnamespace(quote_ident($1::text)))
