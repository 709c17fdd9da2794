-- Adds tasks by the same function as any other client: those whose ids the user chose, and batches of many kinds. Ids are always given, so
-- that answers are matched by them. Events are logged beside it, by log_enqueued.sql.
-- params: ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
-- params: run_ats text[], delays double precision[], ttls double precision[], options text[], metadata text[], chosen boolean[]
-- writes: tasks, count_deltas; notifies
-- rows: new
-- cursors: kept
select {schema}.add_tasks(:ids, :queues, :funcs, :codecs, :payloads, :priorities, :max_retries, :run_ats::timestamptz[], :delays, :ttls, :options, :metadata, :chosen, false)
