-- Releases the locks of these names.
-- params: names text[]
select pg_advisory_unlock_shared(hashtext({channel} || ' ends'), hashtext(w.name)) from unnest(:names) as w(name)
