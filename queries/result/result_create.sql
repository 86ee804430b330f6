-- result_create: make a result table. As it stands it makes a table
-- result_table with one label column, label_columns, on which every other
-- statement about result tables can be tried.
-- The rows of an open window are written again and again while it is open, all
-- of them at once, and never after it has closed and settled. A page that is a
-- quarter empty lets most of these updates stay on it (value is in no index:
-- HOT), and costs closed windows a quarter of their size. Vacuum starts at 2 %
-- instead of 20 %, because in a table of many windows the dead rows are all in
-- the newest few.
create table result_table (
    window_start timestamptz not null,
    window_end timestamptz not null,
    label_columns text not null default '',
    rule_column smallint not null,
    value double precision not null,
    primary key (window_end, label_columns)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02)
