-- $1 id uuid
-- omniq: predecessors
select p.node
from "omniq".nodes n
join "omniq".predecessors p on p.wait = n.wait
where n.id = $1
order by p.rank
