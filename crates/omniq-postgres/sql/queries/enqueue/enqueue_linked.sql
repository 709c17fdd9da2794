-- Adds tasks of which some run after others, all or none.
-- params: ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
-- params: run_ats text[], delays double precision[], ttls double precision[], options text[], metadata text[], chosen boolean[], logged boolean
-- writes: tasks, nodes, waits, predecessors, end_notes, count_deltas, events; notifies
-- rows: new
-- cursors: kept
select {schema}.enqueue_linked(:ids, :queues, :funcs, :codecs, :payloads, :priorities, :max_retries, :run_ats::timestamptz[], :delays, :ttls, :options, :metadata, :chosen, :logged)
