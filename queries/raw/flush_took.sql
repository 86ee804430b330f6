-- flush_took: which flush took sequence $2 of region $1; no row when nobody
-- did, or when that is not remembered any more.
select id from flush where region = $1::integer and seq = $2::bigint
