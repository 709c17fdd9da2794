-- Acts on about :limit notes of ends after :since; see the function. Answers with the last note, whether to call it again, and whether tasks have to end.
-- params: since bigint, limit integer
-- locks: blocked tasks, and those that others begin to wait for, skip locked
-- writes: tasks, nodes, waits, end_notes, count_deltas; notifies
-- rows: of one task
-- cursors: cleared, because blocked tasks are where claims have passed
select a.last, a.again, a.has_broken from {schema}.advance(:since, :limit) a
