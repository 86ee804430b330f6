-- distinct_larger(p, q): of two times 16,384 registers, as planes, the larger of each.
create or replace function distinct_larger(p bit varying, q bit varying)
returns bit varying
language plpgsql immutable strict parallel safe
as $$
declare
    less constant bit varying := ~q;
    larger bit varying; -- the registers of p that are larger, as far as the planes were compared, from the lowest
    x bit varying;
    y bit varying;
begin
    for plane in 0..5 loop
        x := substring(p from 1 + 16384 * plane for 16384);
        y := substring(less from 1 + 16384 * plane for 16384);
        larger := case when plane = 0 then x & y else (x & y) | (larger & (x | y)) end;
    end loop;
    larger := larger || larger || larger;
    larger := larger || larger;
    return q # ((p # q) & larger);
end
$$
