-- Saves schedules, all or none.
-- params: batch jsonb, payloads bytea[]
-- writes: schedules
select {schema}.save_schedules(:batch, :payloads)
