-- The registered workers, with their last heartbeats.
-- read only
select w.id, w.name, w.queues, extract(epoch from w.lease)::double precision, w.host, w.version, w.funcs, w.slots, b.used, w.started_at,
       b.ends_at, w.ended_at is not null or b.ends_at is null or b.ends_at < now()
from {schema}.workers w
left join lateral (
    select b.ends_at, b.used from {schema}.heartbeats b where b.worker = w.id order by b.id desc limit 1
) b on true
order by w.id
