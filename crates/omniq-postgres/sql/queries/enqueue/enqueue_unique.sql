-- Adds tasks, some of which are unique, and answers for each its id, or that of the task that holds its key, and what has become of it.
-- params: ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
-- params: run_ats text[], delays double precision[], ttls double precision[], options text[], metadata text[], chosen boolean[], logged boolean
-- locks: keys, then tasks that hold them, for key share or for update
-- writes: keys, tasks, count_deltas, events; notifies
-- rows: of one task
-- cursors: cleared, because claims pass over tasks while they are locked, and a replaced one can have another priority
select id, enqueued
from {schema}.enqueue_unique(:ids, :queues, :funcs, :codecs, :payloads, :priorities, :max_retries, :run_ats::timestamptz[], :delays, :ttls, :options, :metadata, :chosen, :logged)
