-- Acts on about :limit notes of ends, or on the one with the number :alone; see the function. Answers with whether to call it again, and whether tasks have
-- to end.
-- params: limit integer, alone bigint
-- locks: blocked tasks, and those that others begin to wait for, skip locked
-- writes: tasks, nodes, waits, predecessors, end_notes, count_deltas; notifies
-- rows: of one task
-- cursors: cleared, because blocked tasks are where claims have passed
select a.again, a.has_broken from {schema}.advance(:limit, :alone) a
