-- window_state: every known window of every flow with its state: open, closed,
-- dirty or refilling; see flow_windows. flow is the flow's name, with its static
-- labels where it has some. A condition on flow is used to look at just that
-- flow's table.
create or replace view window_state as
select f.title as flow, w.window_start, w.window_end, w.state
from flow f
cross join lateral flow_windows(f.id) w
