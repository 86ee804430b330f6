-- result_histograms: give a result table room for results that are native histograms.
-- Neither reads nor writes rows, but both wait for every statement that uses the table.
alter table result_table add column if not exists histogram histogram, alter column value drop not null
