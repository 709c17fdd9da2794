-- The migrations that were applied, the newest last.
-- read only
select part, version, name, checksum, applied_at::text, home from {schema}.migrations order by part, version
