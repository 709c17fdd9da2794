-- Until the end of the transaction nobody else stores results of these tasks: $1 keys of their groups, in their order.
select pg_advisory_xact_lock(k.key) from unnest($1::bigint[]) as k(key)
