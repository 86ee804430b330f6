-- histogram_names: the names of the metrics that hold native histograms, or once
-- did, for people who look at flows.
select m.name from histogram_metric h join metric m on m.id = h.metric_id order by m.name collate "C"
