-- Which groups of a flow with max_groups keep a row of their own: those of the earliest
-- series, in the order in which they were chosen. A round adds to them in the commit that
-- moves the flow, so the choice is the same after a restart and in a refill.
create table flow_group (
    flow_id integer not null references flow (id) on delete cascade,
    place integer not null,   -- from 0
    group_key text not null,  -- the group's labels as a JSON object text with sorted keys
    primary key (flow_id, place)
);
alter table flow add column groups_folded boolean not null default false; -- there are other groups: they are one, __other__
