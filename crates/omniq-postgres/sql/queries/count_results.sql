-- How many results: $1 status, $2 queue, $3 function, $4 since, $5 and $6 the last one of the page before.
select count(*)
from {schema}.results r
where {result_filter}
