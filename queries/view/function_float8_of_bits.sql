-- float8_of_bits(bits): the double precision number with these bits, by exact
-- arithmetic: PostgreSQL has no such cast. Every NaN becomes the one NaN of SQL.
create or replace function float8_of_bits(bits bigint)
returns double precision
language sql immutable strict parallel safe
as $$
select case when bits < 0 then -1 else 1 end::double precision *
    case (bits >> 52) & 2047
        when 2047 then case when bits & 4503599627370495 = 0 then 'Infinity' else 'NaN' end::double precision
        when 0 then (bits & 4503599627370495)::double precision * 4.94065645841246544e-324::double precision
        -- 1.fraction times a power of two that is no subnormal number
        else ((bits & 4503599627370495 | 4503599627370496)::double precision / 4503599627370496)
            * power(2::double precision, ((bits >> 52) & 2047) - 1023)
    end
$$
