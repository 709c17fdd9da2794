-- The table of applied migrations; each part has versions of its own.
create table if not exists {schema}.migrations (
    part       text not null,
    version    integer not null,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default clock_timestamp(),
    -- What the schema is called: a function that was made under this name looks for it under no other.
    home       text not null default {schema_name},
    primary key (part, version)
)
