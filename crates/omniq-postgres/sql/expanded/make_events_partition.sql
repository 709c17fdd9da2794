-- $1 ahead float8
-- $2 step float8
-- omniq: make_events_partition
select "omniq".make_events_partition(make_interval(secs => $1), make_interval(secs => $2))
