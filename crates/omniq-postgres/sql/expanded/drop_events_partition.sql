-- $1 keep float8
-- omniq: drop_events_partition
select "omniq".drop_events_partition(make_interval(secs => $1))
