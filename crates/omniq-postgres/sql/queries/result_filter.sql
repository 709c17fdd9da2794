($1::text is null or r.status = $1)
  and ($2::text is null or r.queue = $2)
  and ($3::text is null or r.func = $3)
  and ($4::timestamptz is null or r.finished_at >= $4)
  and {result_live}
  and ($5::timestamptz is null or r.finished_at <= $5)
