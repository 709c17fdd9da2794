-- Where this queue is.
select here.database, here.server from {here}
