-- role_exists: whether there is a role $1.
select exists (select from pg_roles where rolname = $1::text)
