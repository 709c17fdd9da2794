-- $1 names text[]
-- omniq: await_ends
select pg_advisory_lock_shared(hashtext('omniq_092ce6ae226869cf' || ' ends'), hashtext(w.name)) from unnest($1) as w(name)
