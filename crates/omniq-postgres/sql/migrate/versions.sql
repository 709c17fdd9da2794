-- What has been applied, the newest last.
select part, version, name, checksum, applied_at::text, home from {schema}.migrations order by part, version
