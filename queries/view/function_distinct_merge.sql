-- distinct_merge(b): the aggregate that makes the union of sets of values.
create or replace aggregate distinct_merge(bytea) (
    sfunc = array_append, stype = bytea[], initcond = '{}', finalfunc = distinct_union, parallel = safe
)
