-- lapse_position: all metrics; and of each region, ascending, the last sequence that is
-- sealed, 0 when none is.
select coalesce((select array_agg(id order by id) from metric), '{}'),
       array(select coalesce((select max((g.frozen_vector ->> r.id::text)::bigint) from generation g
                              where g.state in ('sealed', 'dropped')), 0)
             from region r order by r.id),
       array(select r.id from region r order by r.id)
