-- observations(h): how many observations a histogram holds, NaN among them. It is
-- not named count, which would make count(row) ambiguous where this schema is searched.
create or replace function observations(h histogram)
returns double precision
language sql immutable parallel safe
as $$
    select h.count
$$
