-- adds: a column for notes, and an index on it
alter table {schema}.events add column note text not null default 'none';
create index events_note on {schema}.events (note) where note <> 'none';
