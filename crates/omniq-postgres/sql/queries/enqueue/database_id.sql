-- Which database this session is in.
-- read only
select here.database, here.server from {here}
