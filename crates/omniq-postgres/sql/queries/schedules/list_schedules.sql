-- The schedules that a filter selects, by name.
-- params: app text, func text, paused boolean, after text, limit bigint
-- read only
select {schedule_columns}
from {schema}.schedules s
where (:app is null or s.app = :app)
  and (:func is null or s.definition->'task'->>'func' = :func)
  and (:paused is null or (s.paused_at is not null) = :paused)
  and s.name > coalesce(:after, '')
order by s.name
limit :limit
