-- $1 queues text[]
-- omniq: unsubscribe
select pg_advisory_unlock_shared(hashtext('omniq_092ce6ae226869cf'), hashtext(q.name)) from unnest($1) as q(name)
