-- histogram_bound(bucket, schema): the upper bound of a bucket with a positive
-- index of an exponential histogram, 2^(bucket * 2^-schema). The last bucket of
-- finite numbers ends at the largest of them, the one behind it at infinity.
-- It is one expression, and not strict, so that PostgreSQL puts it in the place of a call.
create or replace function histogram_bound(bucket bigint, schema integer)
returns double precision
language sql immutable parallel safe
as $$
    select case
        when bucket > 1024 * power(double precision '2', schema) then double precision 'Infinity'
        when bucket = 1024 * power(double precision '2', schema) then 1.7976931348623157e308
        when bucket < -1074 * power(double precision '2', schema) then 0
        else power(double precision '2', bucket / power(double precision '2', schema))
    end
$$
