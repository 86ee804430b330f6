-- segment_extent: the time of the oldest and of the newest sample of the
-- metrics named in $1 (null: of all), in ms; null when there is none.
-- hot_template stands for the unsealed generations' tables. Reads segments'
-- metadata only.
with wanted as materialized (
    select id from metric where $1::text[] is null or name = any($1::text[])
), extent as (
    select min(h.min_t) as min_t, max(h.max_t) as max_t from hot_template h where h.metric_id in (select id from wanted)
    union all
    select min(s.min_t), max(s.max_t) from sealed s where s.metric_id in (select id from wanted)
)
select min(min_t), max(max_t) from extent
