-- hot_copy: write the segments of a flush; hot_new stands for the table of the
-- generation that flush_begin returned. The columns stand in the order in which
-- the store encodes them.
copy hot_new (seq, base_t, min_t, max_t, region, metric_id, segment, samples, ordered, has_stale, packed, histograms)
from stdin (format binary)
