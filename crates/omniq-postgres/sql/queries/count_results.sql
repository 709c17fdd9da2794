-- How many results: $1 status, $2 queue, $3 function, $4 since.
select count(*)
from {schema}.results r
where {result_filter}
