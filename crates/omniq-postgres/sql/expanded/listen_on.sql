-- $1 channel text
-- omniq: listen_on
select "omniq".listen_on($1)
