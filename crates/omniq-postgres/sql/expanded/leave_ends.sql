-- $1 names text[]
-- omniq: leave_ends
select pg_advisory_unlock_shared(hashtext('omniq_092ce6ae226869cf' || ' ends'), hashtext(w.name)) from unnest($1) as w(name)
