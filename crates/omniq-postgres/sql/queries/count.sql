-- How many tasks: $1 queue, $2 state, $3 whether held.
select coalesce(sum(case when $2::smallint is null then c.ready + c.scheduled + c.running + c.dead + c.completed
                         when $2 = 0 then c.scheduled
                         when $2 = 1 and $3::boolean then c.running
                         when $2 = 1 then c.ready
                         when $2 = 3 then c.dead
                         when $2 = 4 then c.completed end), 0)::bigint
from {schema}.counts_of($1) c
