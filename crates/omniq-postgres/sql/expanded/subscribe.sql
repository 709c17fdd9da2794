-- $1 queues text[]
-- omniq: subscribe
select pg_advisory_lock_shared(hashtext('omniq_092ce6ae226869cf'), hashtext(q.name)) from unnest($1) as q(name)
