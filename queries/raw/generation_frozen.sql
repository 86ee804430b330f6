-- generation_frozen: the generations to be sealed, oldest first, as they must be.
select id from generation where state = 'frozen' order by id
