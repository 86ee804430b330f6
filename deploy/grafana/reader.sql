-- The role by which Grafana reads, for psql. It may log in and nothing else: `laminar
-- serve --database-reader-role grafana` grants what dashboards read.
\getenv password GRAFANA_DB_PASSWORD
select 'create role grafana login' where not exists (select from pg_roles where rolname = 'grafana')
\gexec
alter role grafana password :'password';
