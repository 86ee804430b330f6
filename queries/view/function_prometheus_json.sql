-- prometheus_json(h): a result that is a native histogram in the form in which
-- Prometheus's HTTP API gives one: count, sum and, unless all are empty, buckets, each
-- as [rule, lower, upper, count]. The rule says which bounds belong to the bucket: 0 the
-- upper, 1 the lower, 3 both. Numbers are texts.
create or replace function prometheus_json(h histogram)
returns jsonb
language sql immutable parallel safe
set search_path from current
as $$
    select case when h.schema is not null then
        jsonb_build_object(
            'count', replace(regexp_replace(h.count::text, '^I', '+I'), 'Infinity', 'Inf'),
            'sum', replace(regexp_replace(h.sum::text, '^I', '+I'), 'Infinity', 'Inf'))
        || coalesce((select jsonb_build_object('buckets', jsonb_agg(jsonb_build_array(
                                case b.bounds when '(]' then 0 when '[)' then 1 else 3 end,
                                replace(regexp_replace(b.lower::text, '^I', '+I'), 'Infinity', 'Inf'),
                                replace(regexp_replace(b.upper::text, '^I', '+I'), 'Infinity', 'Inf'), b.count::text)))
                     from histogram_buckets(h) b having count(*) > 0), '{}')
    end
$$
