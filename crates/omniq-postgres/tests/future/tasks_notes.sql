-- adds: a column for notes, with a default, an index on it, and a table of labels
alter table {schema}.tasks add column note text not null default 'none';
create index tasks_note on {schema}.tasks (note) where note <> 'none';
create table {schema}.labels (task uuid primary key, label text not null);
