-- count(h): how many observations a histogram holds, NaN among them.
create or replace function count(h histogram)
returns double precision
language sql immutable parallel safe
as $$
    select h.count
$$
