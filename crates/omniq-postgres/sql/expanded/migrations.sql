-- omniq: migrations
select part, version, name, checksum, applied_at::text, home from "omniq".migrations order by part, version
