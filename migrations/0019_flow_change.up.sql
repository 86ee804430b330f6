-- The change log of results: which rows of which windows each commit of a flow changed,
-- by their keys; the values are in the flow's table. Written in the transaction that
-- writes the rows.

-- A position counts the commits that changed rows of the flow or closed windows of it.
-- Its row is locked from before the first of these writes to the commit, so positions
-- become visible in their order.
alter table flow add column position bigint not null default 0;
alter table flow add column incarnation uuid not null default gen_random_uuid(); -- another one where the rows are not those that the log leads to
alter table flow add column change_floor bigint not null default 0; -- the log may lack changes up to this position; it only grows, before anything is deleted
alter table flow add column lineage text; -- db_lineage() when the flow was last taken; null before
alter table flow add constraint flow_change_floor_reached check (change_floor <= position);

create table flow_change (
    flow_id integer not null references flow (id) on delete cascade,
    position bigint not null,
    window_end bigint not null,  -- ms since the epoch
    closed_after bigint,         -- ms; not null: this commit closed the windows with closed_after < end <= window_end
    at timestamptz not null,     -- by the database's clock
    keys text[],                 -- labels of the rows that were inserted, changed or deleted, as JSON objects; null: perhaps all of the window
    primary key (flow_id, position, window_end)
);

-- What tells this database from one that was restored from a backup of it, or was its
-- standby: the system and its timeline. '' where the server does not say.
create function db_lineage() returns text
language plpgsql volatile
as $$
begin
    return (select system_identifier::text from pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
exception when others then
    return '';
end $$;
