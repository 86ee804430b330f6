-- flush_prune: forget flushes that nobody asks for any more: those that are
-- sealed, older than an hour, not among the region's newest thousand, and
-- neither a flow's position nor the first flush after it.
delete from flush f
using region r, (
    select v.key::integer as region, max(v.value::bigint) as seq
    from generation g, jsonb_each_text(g.frozen_vector) v
    where g.state in ('sealed', 'dropped')
    group by 1
) s
where f.region = r.id and s.region = r.id
  and f.seq <= s.seq and f.seq <= r.last_seq - 1000
  and f.committed_at < db_clock() - interval '1 hour'
  and not exists (
      select from flow w
      where f.seq - coalesce((w.vector ->> r.id::text)::bigint, 0) in (0, 1)
  )
