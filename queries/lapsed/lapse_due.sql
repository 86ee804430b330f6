-- lapse_due: up to where samples have been dropped, and up to where series that were
-- left without any have been removed, in ms.
select dropped_t, swept_t from retention
