-- clash_list: rows of the flows $1 that do not stand in their table, because another
-- rule's does; with $2 only those of these window ends (ms), and
-- all with $3 < window_end <= $4 (ms). By window, labels and rule.
-- Reads by the index flow_clash_window.
select c.flow_id, f.rule_number, c.window_end, c.labels::text, c.window_start, c.stands_id, c.differs, c.value, (c.histogram).*
from flow_clash c join flow f on f.id = c.flow_id
where c.flow_id = any($1::integer[]) and ($2::bigint[] is null or c.window_end = any($2::bigint[]))
  and c.window_end > $3::bigint and c.window_end <= $4::bigint
order by c.window_end, c.labels::text, f.rule_number
