-- The transactions that write tasks just now; of those in $1 alone, unless it is null.
select coalesce(array_agg(w.transaction), '{}')
from {schema}.writers w
where $1::text[] is null or w.transaction = any ($1)
