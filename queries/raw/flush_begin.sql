-- flush_begin: lock region $1, take its next sequence for flush $2 and read the
-- generation to write to, the flush before, and the clock (ms).
-- The row stays locked until the transaction ends. That, and nothing else,
-- makes commit order sequence order (I1): the numbers of nextval() are taken
-- before the commit, so a lower one can become visible after a higher one was
-- read. And because the generation comes from the locked row, nothing can be
-- written to a generation after the freeze that closed it.
update region
set last_seq = last_seq + 1, prev_flush = last_flush, last_flush = $2::uuid
where id = $1::integer
returning last_seq, prev_flush, generation, (extract(epoch from db_clock()) * 1000)::bigint
