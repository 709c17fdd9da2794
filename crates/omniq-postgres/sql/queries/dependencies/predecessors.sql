-- The tasks after which a task runs, in the order in which they were given.
-- params: id uuid
-- read only
select p.node
from {schema}.nodes n
join {schema}.predecessors p on p.wait = n.wait
where n.id = :id
order by p.rank
