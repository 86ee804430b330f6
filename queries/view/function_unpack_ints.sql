-- unpack_ints(stream, n): the n integers of a packed stream, in order. The
-- layout, bits counted from the highest of the first byte: 8 bits b; per block
-- of 64 integers 7 bits w and b bits of zigzag base; per integer w bits, which
-- are its offset from its block's base. A stream of no integers is empty.
-- Nothing is checked here: damaged bytes give wrong integers.
create or replace function unpack_ints(stream bytea, n integer)
returns bigint[]
language sql immutable strict parallel safe
set search_path from current
as $$
with s as materialized (
    select ('x' || encode(stream, 'hex'))::varbit as bits, get_byte(stream || '\x00', 0) as b
), head as (
    select block, b, substring(bits from 9 + block * (7 + b) for 7)::integer as w,
           substring(bits from 16 + block * (7 + b) for b)::bigint as zigzag
    from s, generate_series(0, (n - 1) / 64) block
), frame as materialized (
    select block, w, ((zigzag >> 1) & 9223372036854775807) # -(zigzag & 1) as base,
           9 + ((n + 63) / 64) * (7 + b) + 64 * (sum(w) over (order by block) - w)::integer as first_bit
    from head
)
select coalesce(array_agg(base + substring(bits from first_bit + i * w for w)::bigint order by block, i), '{}')
from frame cross join lateral generate_series(0, least(64, n - 64 * block) - 1) i, s
$$
