-- flow_rules: the flows whose rules write to the table of flow $1, which is one of them,
-- with their numbers. They change together with the epochs of all of them.
select f.id, f.rule_number from flow f
join flow mine on (mine.table_schema, mine.table_name) = (f.table_schema, f.table_name)
where mine.id = $1::integer
order by f.id
