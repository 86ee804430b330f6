-- partition_create: a table for one time bucket, not attached yet; sealed_new
-- stands for its name. Made standalone because CREATE TABLE ... PARTITION OF
-- would lock out every reader of sealed.
create table sealed_new (like sealed including all)
