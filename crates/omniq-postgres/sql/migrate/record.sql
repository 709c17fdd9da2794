insert into {schema}.migrations (part, version, name, checksum) values ($1, $2, $3, $4)
