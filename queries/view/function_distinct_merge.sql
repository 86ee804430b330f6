-- distinct_merge(b): the aggregate that makes the union of sets of values.
create or replace aggregate distinct_merge(bytea) (
    sfunc = distinct_add, stype = bit varying, sspace = 131072, initcond = '', finalfunc = distinct_settled,
    combinefunc = distinct_joined, parallel = safe
)
