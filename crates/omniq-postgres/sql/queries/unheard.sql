-- Tasks that a worker holds without knowing it, because the answer to its claim was lost: $1 worker, $2 ids and $3 numbers of
-- the claims that it knows.
select t.id, t.claims
from {schema}.tasks t
where t.state = 1 and t.worker = $1
  and not exists (select from unnest($2::uuid[], $3::integer[]) as k(id, number) where k.id = t.id and k.number = t.claims)
