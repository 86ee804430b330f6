-- seal_lock: lock generation $1 for sealing. A row comes back only if it is still
-- to be sealed and all older ones have been: so none is sealed twice, and
-- sealed samples are older than all hot ones of their region.
select g.id from generation g
where g.id = $1::integer and g.state = 'frozen'
  and not exists (select from generation o where o.id < g.id and o.state in ('current', 'frozen'))
for update
