-- flow_left_out: rows of $2 more label sets of flow $1 were left out of its table, the last of
-- them $3. flow_fence has locked the flow.
update flow set left_out = left_out + $2::bigint, left_out_row = $3::text where id = $1::integer
