-- result_copy: write rows of windows that have none yet. The columns stand in
-- the order in which the store encodes them.
copy result_table (window_start, window_end, value, label_columns, rule_column) from stdin (format binary)
