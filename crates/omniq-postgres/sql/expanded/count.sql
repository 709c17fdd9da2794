-- $1 queue text
-- $2 state int2
-- $3 running bool
-- omniq: count
select coalesce(sum(case when $2 is null then c.ready + c.scheduled + c.running + c.dead + c.completed + c.blocked
                         when $2 = 0 then c.scheduled
                         when $2 = 1 and $3 then c.running
                         when $2 = 1 then c.ready
                         when $2 = 3 then c.dead
                         when $2 = 4 then c.completed
                         when $2 = 2 then c.blocked end), 0)::bigint
from "omniq".counts_of($1) c
