-- distinct_plane(b, plane): one of the six planes of a set of values that is kept as
-- registers, as 16,384 bits: bit i is bit number plane of register i.
create or replace function distinct_plane(b bytea, plane integer)
returns bit varying
language sql immutable strict parallel safe
as $$
    select ('x' || encode(substr(b, 2 + 2048 * plane, 2048), 'hex'))::bit varying
$$
