-- Lists a sleeper: $1 worker, $2 queues. No row: the worker was declared lost.
insert into {schema}.sleepers (worker, queues)
select w.id, $2
from {schema}.workers w
where w.id = $1 and w.ended_at is null
returning id
