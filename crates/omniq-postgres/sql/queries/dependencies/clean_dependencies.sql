-- Deletes what no task can ask for any more of dependencies, and answers with how many nodes it has looked at.
-- params: limit integer
-- writes: nodes, waits, predecessors
select {schema}.clean_dependencies(:limit)
