-- notice_sent: an Alertmanager has taken the notices $3; they go. Only in term $2 of
-- lease $1: what a process sends that leads no more, its successor sends again.
delete from alert_notice
where id = any($3::bigint[]) and exists (select 1 from lease where purpose = $1::text and term = $2::bigint)
