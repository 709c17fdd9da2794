-- omniq: migrations
select part, version, name, checksum, applied_at::text, home, usable_from, effect, release
from "omniq".migrations order by part, version
