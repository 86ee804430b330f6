-- histogram_metrics: say that the metrics $1, in ascending order, hold native
-- histograms. In the transaction that writes them, so that whoever sees one sees
-- this too. A metric that is there already costs a look at the primary key; two
-- flushes that both bring the first histogram of a metric wait for each other,
-- in the order of the ids.
insert into histogram_metric (metric_id)
select unnest($1::integer[])
on conflict do nothing
