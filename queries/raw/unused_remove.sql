-- unused_remove: table $1 has been dropped.
delete from unused_table where name = $1::text
