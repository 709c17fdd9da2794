-- The migrations that were applied, the newest last.
-- read only
select part, version, name, checksum, applied_at::text, home, usable_from, effect, release
from {schema}.migrations order by part, version
