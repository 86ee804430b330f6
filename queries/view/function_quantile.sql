-- quantile(h, phi): the quantile phi, from 0 to 1, of what a histogram holds, as
-- Prometheus's histogram_quantile gives it: within exponential buckets values lie evenly
-- on a logarithmic scale, within others on a linear one. NaN counts, and lies in no bucket.
create or replace function quantile(h histogram, phi double precision)
returns double precision
language plpgsql immutable parallel safe
set search_path from current
as $$
declare
    custom constant boolean := h.schema = -53;
    negatives constant integer := coalesce(cardinality(h.negative_buckets), 0);
    zeros constant integer := case when h.schema <> -53 and h.zero_count > 0 then 1 else 0 end;
    positives constant integer := coalesce(cardinality(h.positive_buckets), 0);
    upward boolean; -- buckets are counted from the lowest up, or from the highest down
    rank double precision;
    seen double precision := 0;
    place integer; -- of a bucket among all, from the lowest
    found integer; -- the first that reaches the rank; where none does, the last
    n double precision;
    holds double precision;
    bucket integer;
    lower double precision;
    upper double precision;
    low double precision;
    high double precision;
    part double precision;
begin
    if h.schema is null or phi is null then
        return null;
    elsif phi = 'NaN' then
        return 'NaN';
    elsif phi < 0 then
        return '-Infinity';
    elsif phi > 1 then
        return 'Infinity';
    elsif h.count = 0 then
        return 'NaN';
    end if;
    upward := h.sum = 'NaN' or phi < 0.5;
    rank := case when upward then phi else 1 - phi end * h.count;
    for step in 1..negatives + zeros + positives loop
        place := case when upward then step else negatives + zeros + positives + 1 - step end;
        n := case when place <= negatives then h.negative_counts[negatives + 1 - place]
                  when place <= negatives + zeros then h.zero_count
                  else h.positive_counts[place - negatives - zeros] end;
        if n <> 0 then
            found := place;
            holds := n;
            seen := seen + n;
            exit when seen >= rank;
        end if;
    end loop;
    if found is null then
        return 'NaN';
    end if;

    if found <= negatives then
        bucket := h.negative_buckets[negatives + 1 - found];
        lower := -histogram_bound(bucket, h.schema);
        upper := least(-histogram_bound(bucket - 1, h.schema), -h.zero_threshold);
    elsif found <= negatives + zeros then
        lower := -h.zero_threshold;
        upper := h.zero_threshold;
    else
        bucket := h.positive_buckets[found - negatives - zeros];
        if custom then
            lower := coalesce(h.custom_values[bucket], '-Infinity');
            upper := coalesce(h.custom_values[bucket + 1], 'Infinity');
        else
            lower := greatest(histogram_bound(bucket - 1, h.schema), h.zero_threshold);
            upper := histogram_bound(bucket, h.schema);
        end if;
    end if;

    seen := least(seen, h.count);
    if custom and lower = '-Infinity' and upper <= 0 then
        return upper;
    elsif custom and lower > '-Infinity' and upper = 'Infinity' then
        return lower;
    elsif seen < rank then
        return case when h.sum = 'NaN' then 'NaN' else upper end;
    end if;
    part := case when upward then rank - (seen - holds) else seen - rank end / holds;
    if custom or lower <= 0 and upper >= 0 then
        low := case when custom then case when lower = '-Infinity' then 0 else lower end
                    when lower < 0 and upper > 0 and negatives = 0 and positives > 0 then 0
                    else lower end;
        high := case when not custom and lower < 0 and upper > 0 and positives = 0 and negatives > 0 then 0 else upper end;
        return low + (high - low) * part;
    elsif lower > 0 then
        return lower * power(upper / lower, part);
    end if;
    return upper * power(lower / upper, 1 - part);
end
$$
