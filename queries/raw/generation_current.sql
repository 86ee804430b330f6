-- generation_current: the generation that flushes write to.
select id from generation where state = 'current'
