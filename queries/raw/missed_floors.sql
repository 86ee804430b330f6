-- missed_floors: for each metric of region $1 a time that no sealed sample of
-- it is later than.
select metric_id, max_t from metric_floor where region = $1::integer
