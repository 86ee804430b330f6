-- clash_add: note rows that do not stand: their flows $1, window ends $2, labels $3,
-- window starts $4 and values $5, the flows $6 whose rows stand, whether the results
-- differ $7, and histograms $8, null where there is a value.
insert into flow_clash (flow_id, window_end, labels, window_start, value, stands_id, differs, histogram)
select c.flow_id, c.window_end, c.labels::jsonb, c.window_start, c.value, c.stands_id, c.differs, c.histogram::histogram
from unnest($1::integer[], $2::bigint[], $3::text[], $4::bigint[], $5::float8[], $6::integer[], $7::boolean[], $8::text[])
    as c(flow_id, window_end, labels, window_start, value, stands_id, differs, histogram)
