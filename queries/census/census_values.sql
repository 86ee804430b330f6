-- census_values: the $1 values of label $3 that most series have among $2 per cent of
-- the pages of series.
select v.value, count(*) as series
from (select s.labels ->> $3::text as value from series s tablesample system ($2::real)) v
where v.value is not null
group by v.value order by 2 desc, v.value collate "C" limit $1::integer
