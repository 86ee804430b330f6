alter table flow drop column begins_after;
