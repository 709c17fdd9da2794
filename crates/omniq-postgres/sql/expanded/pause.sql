-- $1 queue text
-- omniq: pause
insert into "omniq".paused_queues (queue) values ($1) on conflict do nothing
