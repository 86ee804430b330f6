-- What senders say of metrics: type, help, unit. Last write wins. By the name a
-- sender uses: remote write 1.0 describes families (without _bucket, _count ...),
-- 2.0 each metric. A metric needs no samples to be described.
create table metadata (
    metric text primary key,
    type text not null,
    help text not null,
    unit text not null,
    changed_at timestamptz not null default clock_timestamp(),
    constraint metadata_metric_not_empty check (metric <> ''),
    constraint metadata_type_known check (type in ('unknown', 'counter', 'gauge', 'histogram',
        'gaugehistogram', 'summary', 'info', 'stateset'))
);
