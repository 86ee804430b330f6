-- unused_keep: the tables $1 are needed again: what they hold is not given up any more.
delete from unused_table where name = any($1::text[])
