-- sender_prune: forget which senders brought new series more than a week ago.
delete from series_sender where hour < (extract(epoch from db_clock()) * 1000)::bigint - 7 * 86400000::bigint
