-- $1 queue text
-- $2 state int2
-- $3 running bool
-- $4 func text
-- $5 error text
-- $6 error_start text
-- $7 since timestamptz
-- $8 until timestamptz
-- $9 max_seq int8
-- omniq: purge_left
select exists (
    select from "omniq".tasks t
    where ($1 is null or t.queue = $1)
  and ($2 is null or t.state = $2)
  and ($3 is null or (t.worker is not null) = $3)
  and ($4 is null or t.func = $4)
  and ($5 is null or t.error->>'type' = $5)
  and ($6 is null or starts_with(t.error->>'type', $6))
  and ($7 is null or t.created_at >= $7)
  and ($8 is null or t.created_at < $8)
  and ($9 is null or t.seq <= $9) and t.worker is null and t.created_at <= now())
