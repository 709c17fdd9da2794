-- adds: a column for notes
alter table {schema}.result_segments add column note text not null default 'none';
