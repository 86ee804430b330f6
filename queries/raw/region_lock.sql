-- region_lock: wait until no flush of region $1 is under way, and read its
-- last sequence. Whoever was committing has committed or not when this returns.
select last_seq from region where id = $1::integer for update
