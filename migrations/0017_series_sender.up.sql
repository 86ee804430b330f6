-- How many series each sender has brought that were new, by hour of the database's
-- clock. A row is of one region, whose lock its writer has, so flushes of different
-- regions never wait for each other here. Rows of more than a week ago are deleted.
create table series_sender (
    hour bigint not null,   -- its beginning, ms since the epoch
    sender text not null,   -- login, certificate or address; '(others)' beyond what a process tells apart
    region integer not null,
    created bigint not null,
    primary key (hour, sender, region),
    constraint series_sender_not_empty check (sender <> ''),
    constraint series_sender_created_positive check (created > 0)
) with (fillfactor = 50);
