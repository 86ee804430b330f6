-- clock: the database's clock, which all processes go by.
select db_clock()
