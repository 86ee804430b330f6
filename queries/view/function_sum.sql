-- sum(h): the sum of what a histogram holds.
create or replace function sum(h histogram)
returns double precision
language sql immutable parallel safe
as $$
    select h.sum
$$
