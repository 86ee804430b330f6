-- Which replica of a cluster's senders is listened to. seen_at is when its data
-- last came, as of the last refresh by any process; another one may be elected
-- when that is older than the failover timeout. Rows are rewritten in place all
-- the time, so pages keep room for that.
create table ha_election (
    cluster text primary key,
    replica text not null,
    elected_at timestamptz not null,
    seen_at timestamptz not null,
    constraint ha_election_names_not_empty check (cluster <> '' and replica <> '')
) with (fillfactor = 50);
