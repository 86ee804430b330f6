-- The flownodes of the installation. Each renews seen_at about every second, by the
-- database's clock; it is alive while that is younger than 10 s. One that ends in order
-- deletes its row; those of others are deleted after a day. Rows are rewritten in
-- place all the time, so pages keep room for that.
create table flownode (
    id uuid primary key,
    name text not null, -- host and process id
    address text,       -- that it serves on; null when it serves nothing
    started_at timestamptz not null,
    seen_at timestamptz not null,
    constraint flownode_name_not_empty check (name <> '')
) with (fillfactor = 50);
