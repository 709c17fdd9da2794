-- Completes a task on a connection of any driver, in its transaction: types are written down. Answers as enqueue_in_transaction.sql does.
-- params: run text, value bytea
-- locks: the task, for update
-- writes: tasks, result_segments, events, count_deltas
-- rows: of one task
-- cursors: kept
select here.database,
       case when here.database operator(pg_catalog.=) (cast(cast(:run as text) as jsonb) ->> 'database')
             and here.server operator(pg_catalog.=) (cast(cast(:run as text) as jsonb) ->> 'server')
            then pg_catalog.cardinality(array(
                select 1 from {schema}.complete(cast(cast(:run as text) as jsonb), cast(:value as bytea))))
       end
from {here}
