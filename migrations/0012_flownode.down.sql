drop table flownode;
