alter table retention drop column kept_ms;
