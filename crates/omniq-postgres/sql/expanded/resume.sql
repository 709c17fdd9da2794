-- $1 queue text
-- omniq: resume
with deleted as (
    delete from "omniq".paused_queues where queue = $1 returning queue
)
select pg_notify('omniq_092ce6ae226869cf', d.queue) from deleted d
