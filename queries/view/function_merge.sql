-- merge(h): the histograms of rows as one (merged), for aggregates over windows and groups
-- of result tables. It commutes; rows without a histogram say nothing.
create or replace aggregate merge(histogram) (
    sfunc = array_append,
    stype = histogram[],
    sspace = 262144,
    finalfunc = merged,
    combinefunc = array_cat,
    parallel = safe
)
