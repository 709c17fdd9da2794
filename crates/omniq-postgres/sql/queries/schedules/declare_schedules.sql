-- Declares the schedules in the code of a worker: saves those that are new or have changed, and removes what no live worker of the application
-- declares.
-- params: worker bigint, app text, names text[], batch jsonb, payloads bytea[]
-- locks: advisory
-- writes: schedule_declarations, schedules, schedule_ticks
select {schema}.declare_schedules(:worker, :app, :names, :batch, :payloads)
