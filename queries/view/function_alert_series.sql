-- alert_series(first, last): the series ALERTS and ALERTS_FOR_STATE as Prometheus has
-- them: for each pending or firing alert a sample of either at the end of each window
-- in (first, last]. ALERTS has the value 1 and the label alertstate, ALERTS_FOR_STATE
-- the time since when the alert is active, in seconds. Between two changes an alert
-- stands still, so changes are all that is read, by the index alert_history_instance.
create or replace function alert_series(first timestamptz, last timestamptz)
returns table (metric text, labels jsonb, ts timestamptz, value double precision)
language sql stable
set search_path from current
as $$
    with stretch as (
        select h.labels, h.phase, h.active_at, f.step, h.window_end,
            coalesce(lead(h.window_end) over (partition by h.flow_id, h.fingerprint order by h.window_end) - f.step, f.emitted_until) as until
        from alert_history h
        join flow f on f.id = h.flow_id
        where h.withdrawn_at is null and h.window_end <= (extract(epoch from last) * 1000)::bigint
    ), evaluation as (
        select s.labels, s.phase, s.active_at, w.at
        from stretch s
        cross join lateral generate_series(
            greatest(s.window_end, s.window_end + ((extract(epoch from first) * 1000)::bigint - s.window_end + s.step) / s.step * s.step),
            least(s.until, (extract(epoch from last) * 1000)::bigint), s.step) as w(at)
        where s.phase in ('pending', 'firing') and s.until > (extract(epoch from first) * 1000)::bigint
    )
    select 'ALERTS', e.labels || jsonb_build_object('alertstate', e.phase), to_timestamp(e.at / 1000.0), 1::double precision
    from evaluation e
    union all
    select 'ALERTS_FOR_STATE', e.labels, to_timestamp(e.at / 1000.0), (e.active_at / 1000)::double precision
    from evaluation e
$$
