-- label_series: how many series have each label, and how many values it has. Reads
-- the labels of all series: with millions it takes a while.
create or replace view label_series as
select l.name as label, count(*) as series, count(distinct l.value) as distinct_values
from series s cross join lateral jsonb_each_text(s.labels) as l(name, value)
group by l.name
