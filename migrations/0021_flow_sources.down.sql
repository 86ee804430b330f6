alter table flow drop column sources;
