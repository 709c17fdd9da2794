-- omniq: register_inbox
update "omniq".workers set funcs = $2, channel = $3 where id = $1
