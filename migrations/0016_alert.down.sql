drop view if exists alerts, alert_changes;
drop function if exists alert_series(timestamptz, timestamptz);
drop table alert_notice, alert_history, alert;
