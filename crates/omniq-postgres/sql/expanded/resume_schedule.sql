-- $1 name text
-- $2 version int4
-- $3 paused_at timestamptz
-- $4 next_at timestamptz
-- omniq: resume_schedule
with resumed as (
    update "omniq".schedules s
    set paused_at = null, next_at = $4
    where s.name = $1 and s.version = $2 and s.paused_at = $3
    returning s.name
)
select count(*) from resumed
