-- late_flows: all flows as they are defined, in id order, and whether anything is noted of
-- late samples of them; and before when raw samples are dropped (ms, 0 for none): what is
-- given up can be taken back.
select f.id, f.definition, f.late_noted > 0 or f.late_kept > 0 or f.late_stretches <> '{}',
       coalesce((select dropped_t from retention), 0)
from flow f order by f.id
