-- Native histograms as results. A result table has a column of this type once a result
-- of its flow was a histogram; value is null where histogram is not.
--
-- Buckets that are empty are not there. Bucket i of a schema from -4 to 8 reaches up to
-- 2^(i * 2^-schema), on the negative side down to minus that; with schema -53 bucket i
-- reaches up to custom_values[i + 1], and the last one without end. The arrays of a
-- side have one length, and its buckets ascend.
create type histogram as (
    schema integer,
    count double precision,
    sum double precision,
    zero_threshold double precision,
    zero_count double precision,
    negative_buckets integer[],
    negative_counts double precision[],
    positive_buckets integer[],
    positive_counts double precision[],
    custom_values double precision[],
    gauge boolean
);
