-- omniq: enqueue_many
select "omniq".enqueue_many($1, $2, $3, $4, $5, $6, $7, $8::timestamptz[], $9, $10, $11, $12, $13, false)
