-- late_rows: late samples add $5 to the rows with the label columns $6 (JSON arrays) of the
-- windows $2 (ends, ms) of flow $1, of the groups $3; $4 is how many. What was there and
-- what comes join by $7: sum, min or max. As in Go, a sum overflows to infinity, and NaN is
-- no minimum or maximum beside a number. In the transaction that moves the flow over the
-- samples (I4).
with added as (
    insert into flow_late as l (flow_id, window_end, group_key, samples, value, columns)
    select $1::integer, a.window_end, a.group_key, a.samples, a.value, a.columns::jsonb
    from unnest($2::bigint[], $3::text[], $4::bigint[], $5::double precision[], $6::text[]) as a(window_end, group_key, samples, value, columns)
    on conflict (flow_id, window_end, group_key) do update set samples = l.samples + excluded.samples, value = case
        when $7::text <> 'sum' and l.value = 'NaN' then excluded.value
        when $7::text <> 'sum' and excluded.value = 'NaN' then l.value
        when $7::text = 'min' then least(l.value, excluded.value)
        when $7::text = 'max' then greatest(l.value, excluded.value)
        when l.value = 'NaN' or excluded.value = 'NaN' then 'NaN'
        when l.value > 0 and excluded.value > 0 and l.value > 1.7976931348623157e308 - excluded.value then 'Infinity'
        when l.value < 0 and excluded.value < 0 and l.value < -1.7976931348623157e308 - excluded.value then '-Infinity'
        else l.value + excluded.value end
    returning l.xmax = 0 as fresh
)
update flow set late_noted = late_noted + (select count(*) from added where fresh) where id = $1::integer
