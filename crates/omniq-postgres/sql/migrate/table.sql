-- The table of applied migrations; each part has versions of its own. Older programs read it, too: columns are only ever added, with
-- defaults.
create table if not exists {schema}.migrations (
    part       text not null,
    version    integer not null,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default clock_timestamp(),
    -- What the schema is called: a function that was made under this name looks for it under no other.
    home       text not null default {schema_name},
    -- Which programs can use the part afterwards: those whose newest migration of the part has this version or a higher one. 1: all, because
    -- the migration only adds.
    usable_from integer not null,
    -- What the migration adds, or what older programs would fail on.
    effect     text not null,
    -- The release of OmniQ that applied it.
    release    text not null,
    primary key (part, version)
)
