-- Series leave when no sample of them is stored any more.

-- The series whose rows the transaction of a flush has deleted, null for none: other
-- writers of the region forget their ids when they catch up with that sequence.
alter table flush add column removed_series integer[];

-- Which series a sealed segment holds, so that nobody unpacks samples to find out; null
-- in what was sealed before. The bytes are as small as they get.
alter table sealed add column held_series bytea;
alter table sealed alter column held_series set storage external;

-- Series that have no sample since samples before swept_t were dropped are removed.
-- swept_t <= dropped_t. removed_series counts those that have ever been removed.
alter table retention add column swept_t bigint not null default 0;         -- milliseconds since the epoch
alter table retention add column removed_series bigint not null default 0;

-- A day's removals are few beside millions of series, and what they leave must be
-- used again before the table grows.
alter table series set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
