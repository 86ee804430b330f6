-- Which flows stand still, and why. The leading flownode writes a row while
-- something keeps a flow from moving, and deletes it after the flow's next good
-- round.
create table flow_stall (
    flow_id integer primary key references flow (id) on delete cascade,
    error text not null,
    hint text not null default '',            -- what to do about it
    since timestamptz not null default now(), -- when it was first noted
    seen_at timestamptz not null              -- when it was last seen to stand still
);
-- What PostgreSQL refuses of single rows is left out of a flow's table.
alter table flow
    add column left_out bigint not null default 0, -- label sets refused so far, each counted once while one process keeps the flow
    add column left_out_row text;                  -- the last of them: window end, labels cut to readable length, and why
