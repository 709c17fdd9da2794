-- What has been applied, the newest last.
select part, version, name, checksum, applied_at::text from {schema}.migrations order by part, version
