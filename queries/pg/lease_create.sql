-- lease_create: makes the table of leases. It is no migration, because the first
-- migration is done under one of its leases. A row says who does something that
-- one process at a time should do. Only the owner of the schema and whom it lets
-- write to the table can take or hold up a lease. All times are the database's. Rows
-- are rewritten in place all the time, so pages keep room for that.
create table if not exists lease (
    purpose text primary key,
    owner uuid,                      -- null once it has been given up
    holder text not null,            -- host and process id of the owner, for people
    term bigint not null,            -- how often the lease was taken
    pid integer not null,            -- of the session that renewed it last
    session_at timestamptz not null, -- when that session began
    taken_at timestamptz not null,
    renewed_at timestamptz not null,
    constraint lease_purpose_not_empty check (purpose <> ''),
    constraint lease_term_positive check (term > 0)
) with (fillfactor = 50)
