-- $1 name text
-- $2 version int4
-- $3 created_at timestamptz
-- $4 at timestamptz
-- $5 task jsonb
-- omniq: trigger_schedule
select "omniq".trigger_schedule($1, $2, $3, $4, $5)
