-- Adds tasks on the user's connection, with their `enqueued` events where the schema has events, if it leads to the queue's database. Answers
-- with the name of the database that it leads to, and the number of tasks that were added: null if it is another one.
-- params: ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
-- params: run_ats text[], delays double precision[], ttls double precision[], options text[], metadata text[], chosen boolean[],
-- params: database text, server text
-- writes: tasks, count_deltas, events; notifies
-- rows: new
-- cursors: kept
select here.database,
       case when here.database operator(pg_catalog.=) :database and here.server operator(pg_catalog.=) :server
            then pg_catalog.cardinality(array(
                select {schema}.enqueue_many(:ids, :queues, :funcs, :codecs, :payloads, :priorities, :max_retries, :run_ats::timestamptz[], :delays, :ttls, :options, :metadata, :chosen)))
       end
from {here}
