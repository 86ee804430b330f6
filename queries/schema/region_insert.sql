-- region_insert: the rows of the regions 1 to $1, once, at installation.
insert into region (id) select generate_series(1, $1::integer)
