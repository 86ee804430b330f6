-- flow_windows(flow): the windows of one flow with their state: those that have
-- a row of the flow in its result table, and those on its dirty list. A window
-- without results that nothing is due for is not listed: nothing is stored
-- about it.
--   refilling  an unfinished refill has yet to compute it
--   dirty      closed, and to be computed again
--   closed     computed, after the watermark passed its end
--   open       provisional; a flow that has no sample of its own yet has none
-- Distinct ends are found by jumping along the result table's primary key,
-- which begins with window_end: some 20 us for each window, however many rows
-- it has. A table that the flownode has not made yet has no windows.
-- Of a flow of sessions they are the sessions: dirty are those that may change, since late
-- samples are near (flownode/session: Rule.Affected).
create or replace function flow_windows(flow integer)
returns table (window_start timestamptz, window_end timestamptz, state text)
language plpgsql stable rows 1000
set search_path from current
as $$
#variable_conflict use_column
declare
    f record;
    mine text;
    ends text := 'select null::timestamptz where false';
    gap bigint;
    half bigint;
begin
    select * into f from flow where id = $1;
    if to_regclass(format('%I.%I', f.table_schema, f.table_name)) is not null then
        select coalesce(string_agg(case jsonb_typeof(value)
                   when 'object' then format(' and r.%I @> %L::jsonb', key, value)
                   else format(' and r.%I = %L', key, value #>> '{}') end, ''), '')
        into mine from jsonb_each(f.own_columns);
        ends := format('with recursive found(e) as (
                (select r.window_end from %1$I.%2$I r where true %3$s order by r.window_end desc limit 1)
                union all
                select (select r.window_end from %1$I.%2$I r where r.window_end < found.e %3$s
                        order by r.window_end desc limit 1)
                from found where found.e is not null
            ) select e from found where e is not null', f.table_schema, f.table_name, mine);
    end if;
    if f.definition ? 'session' then
        gap := (f.definition #>> '{session,gap}')::bigint;
        half := (f.definition #>> '{session,max}')::bigint / 2;
        if to_regclass(format('%I.%I', f.table_schema, f.table_name)) is null then
            return;
        end if;
        return query execute format('
            select w.s, w.e,
                   case when exists (select from job j where j.flow_id = $1 and j.state in (''queued'', ''running'')
                                     and j.next_t < w.ms and w.ms <= j.to_t) then ''refilling''
                        when exists (select from flow_dirty d where d.flow_id = $1
                                     and w.ms > d.window_end - $4 - $3 and w.ms <= d.window_end + 2 * $4) then ''dirty''
                        when w.ms <= $2 then ''closed''
                        else ''open'' end
            from (select distinct r.window_start as s, r.window_end as e, (extract(epoch from r.window_end) * 1000)::bigint as ms
                  from %1$I.%2$I r where true %3$s) w', f.table_schema, f.table_name, mine)
        using $1, coalesce(f.emitted_until, 9223372036854775807), gap, half;
        return;
    end if;
    return query execute format('
        select w.e - $2 * interval ''1 millisecond'', w.e,
               case when exists (select from job j where j.flow_id = $1 and j.state in (''queued'', ''running'')
                                 and j.next_t < w.ms and w.ms <= j.to_t) then ''refilling''
                    when exists (select from flow_dirty d where d.flow_id = $1 and d.window_end = w.ms) then ''dirty''
                    when w.ms <= $3 then ''closed''
                    else ''open'' end
        from (select e, (extract(epoch from e) * 1000)::bigint as ms
              from (%s union
                    select timestamptz ''epoch'' + d.window_end * interval ''1 millisecond'' from flow_dirty d where d.flow_id = $1) u(e)
             ) w', '(' || ends || ')')
    using $1, f.window_length, coalesce(f.emitted_until, 9223372036854775807);
end
$$
