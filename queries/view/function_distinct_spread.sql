-- distinct_spread(keys): the 16,384 registers of keys, each of 32 bits: of each register the
-- largest rank of the keys that fall to it (package flownode/distinct), as six planes, which
-- follow each other.
create or replace function distinct_spread(keys bit varying)
returns bit varying
language plpgsql immutable strict parallel safe
as $$
declare
    -- An odd key is 14 bits of register, then 17 bits of which the zeros before the first
    -- one count; an even key is register and rank.
    ones constant double precision[] := '{1,2,4,8,16,32,64,128,256,512,1024,2048,4096,8192,16384,32768,65536}';
    ranks constant integer[] := '{33,17,16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1}';
    -- A rank with its bits eight apart: one byte for each plane.
    bits constant bigint[] := array(
        select bit_or((rank >> plane & 1)::bigint << 8 * plane) from generate_series(1, 51) rank, generate_series(0, 5) plane
        group by rank order by rank);
begin
    return (
        with register as (
            select k >> case when k & 1 = 1 then 18 else 7 end & 16383 as place,
                   greatest(ranks[1 + width_bucket(min(k >> 1 & 131071) filter (where k & 1 = 1), ones)],
                            max(least(k >> 1 & 63, 51)) filter (where k & 1 = 0)) as rank
            from (select substring(keys from i for 32)::integer as k from (select generate_series(1, length(keys), 32) as i) g offset 0) k
            group by 1
        ), octet as (
            select place >> 3 as place, bit_or(bits[rank] << 7 - (place & 7)) as planes from register group by 1
        ), word as (
            select place >> 3 as place,
                   bit_or((planes & 255) << 56 - 8 * (place & 7)) as p0, bit_or((planes >> 8 & 255) << 56 - 8 * (place & 7)) as p1,
                   bit_or((planes >> 16 & 255) << 56 - 8 * (place & 7)) as p2, bit_or((planes >> 24 & 255) << 56 - 8 * (place & 7)) as p3,
                   bit_or((planes >> 32 & 255) << 56 - 8 * (place & 7)) as p4, bit_or((planes >> 40 & 255) << 56 - 8 * (place & 7)) as p5
            from octet group by 1
        ), filled as (
            select int8send(coalesce(w.p0, 0)) as p0, int8send(coalesce(w.p1, 0)) as p1, int8send(coalesce(w.p2, 0)) as p2,
                   int8send(coalesce(w.p3, 0)) as p3, int8send(coalesce(w.p4, 0)) as p4, int8send(coalesce(w.p5, 0)) as p5
            from generate_series(0, 255) g(place) left join word w on w.place = g.place order by g.place
        )
        select ('x' || encode(
            string_agg(p0, ''::bytea) || string_agg(p1, ''::bytea) || string_agg(p2, ''::bytea)
            || string_agg(p3, ''::bytea) || string_agg(p4, ''::bytea) || string_agg(p5, ''::bytea), 'hex'))::bit varying
        from filled);
end
$$
