-- $1 worker int8
-- $2 funcs text[]
-- $3 channel text
-- omniq: register_inbox
update "omniq".workers set funcs = $2, channel = $3 where id = $1
