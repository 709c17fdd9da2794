($1::text is null or t.queue = $1)
  and ($2::smallint is null or t.state = $2)
  and ($3::boolean is null or (t.worker is not null) = $3)
  and ($4::text is null or t.func = $4)
