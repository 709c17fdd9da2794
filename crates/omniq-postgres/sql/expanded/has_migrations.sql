-- $1 table text
-- omniq: has_migrations
select pg_catalog.to_regclass($1) is not null
