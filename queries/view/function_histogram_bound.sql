-- histogram_bound(bucket, schema): the upper bound of a bucket with a positive
-- index of an exponential histogram, 2^(bucket * 2^-schema). The last bucket of
-- finite numbers ends at the largest of them, the one behind it at infinity.
create or replace function histogram_bound(bucket bigint, schema integer)
returns double precision
language sql immutable strict parallel safe
as $$
    select case
        when x.exponent > 1024 then double precision 'Infinity'
        when x.exponent = 1024 then 1.7976931348623157e308
        when x.exponent < -1074 then 0
        else power(double precision '2', x.exponent)
    end
    from (select bucket / power(double precision '2', schema) as exponent) x
$$
