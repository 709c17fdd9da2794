-- $1 worker int8
-- $2 app text
-- $3 names text[]
-- $4 batch jsonb
-- $5 payloads bytea[]
-- omniq: declare_schedules
select "omniq".declare_schedules($1, $2, $3, $4, $5)
