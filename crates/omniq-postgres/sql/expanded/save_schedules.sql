-- $1 batch jsonb
-- $2 payloads bytea[]
-- omniq: save_schedules
select "omniq".save_schedules($1, $2)
