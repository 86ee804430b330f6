-- metric_remove: delete those of the metrics $1 that no series is of, with what is kept
-- of them. All regions are locked, so none is created meanwhile.
with gone as (
    delete from metric m where m.id = any($1::integer[]) and not exists (select from series s where s.metric_id = m.id)
    returning m.id
), floors as (
    delete from metric_floor where metric_id in (select id from gone)
), histograms as (
    delete from histogram_metric where metric_id in (select id from gone)
)
select count(*) from gone
