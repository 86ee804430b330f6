-- sealed_copy: write merged segments; PostgreSQL routes each to the partition of
-- its bucket, which is there. The columns stand in the order in which the store
-- encodes them.
copy sealed (bucket, min_seq, max_seq, base_t, min_t, max_t, region, metric_id, samples, has_stale, packed, held_series, histograms)
from stdin (format binary)
