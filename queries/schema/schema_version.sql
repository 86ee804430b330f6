-- schema_version: the version that the migrations have brought this schema to.
select coalesce(max(version), 0) from schema_migrations
