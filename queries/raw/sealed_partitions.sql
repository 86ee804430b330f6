-- sealed_partitions: the names of the partitions of sealed.
select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'sealed'::regclass
order by 1
