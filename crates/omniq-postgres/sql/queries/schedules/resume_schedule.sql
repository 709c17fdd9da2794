-- Lets a paused schedule go on with this tick, if it is as it was read; says whether it was.
-- params: name text, version integer, paused_at timestamptz, next_at timestamptz
-- writes: schedules
with resumed as (
    update {schema}.schedules s
    set paused_at = null, next_at = :next_at
    where s.name = :name and s.version = :version and s.paused_at = :paused_at
    returning s.name
)
select count(*) from resumed
