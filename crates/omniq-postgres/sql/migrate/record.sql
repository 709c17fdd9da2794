insert into {schema}.migrations (part, version, name, checksum, usable_from, effect, release)
values ($1, $2, $3, $4, $5, $6, $7)
