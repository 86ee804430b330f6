drop view if exists metric_series;
drop view if exists label_series;
drop view if exists sender_series;
drop table series_sender;
