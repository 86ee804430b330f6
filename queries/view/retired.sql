-- retired: drop functions that earlier versions installed, unless something uses them.
do $$
begin
    drop function if exists distinct_union(bytea[]), distinct_of_keys(bytea[], boolean);
exception when dependent_objects_still_exist then
    null;
end
$$
