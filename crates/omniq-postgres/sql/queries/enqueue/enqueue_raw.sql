-- The same for any driver: all types are written down, and times are text.
-- params: ids text[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
-- params: run_ats text[], delays double precision[], ttls double precision[], options text[], metadata text[], chosen boolean[],
-- params: database text, server text
-- writes: tasks, count_deltas, events; notifies
-- rows: new
-- cursors: kept
select here.database,
       case when here.database operator(pg_catalog.=) cast(:database as text) and here.server operator(pg_catalog.=) cast(:server as text)
            then pg_catalog.cardinality(array(
                select {schema}.enqueue_many(
                    cast(cast(:ids as text[]) as uuid[]), cast(:queues as text[]), cast(:funcs as text[]), cast(:codecs as text[]),
                    cast(:payloads as bytea[]), cast(:priorities as smallint[]), cast(:max_retries as integer[]),
                    cast(cast(:run_ats as text[]) as timestamptz[]), cast(:delays as double precision[]), cast(:ttls as double precision[]),
                    cast(:options as text[]), cast(:metadata as text[]), cast(:chosen as boolean[]))))
       end
from {here}
