-- change_definition: the definition of flow $1 and the schema of its table.
select definition, table_schema from flow where id = $1::integer
