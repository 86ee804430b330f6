-- census_labels: the $1 labels with most values among $2 per cent of the pages of series.
select l.name, count(*) as series, count(distinct l.value) as distinct_values
from series s tablesample system ($2::real) cross join lateral jsonb_each_text(s.labels) as l(name, value)
group by l.name order by 3 desc, 2 desc, l.name collate "C" limit $1::integer
