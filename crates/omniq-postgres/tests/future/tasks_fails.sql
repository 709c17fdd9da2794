-- breaks below {notes}: nothing, because its transaction fails as it ends
create table {schema}.parents (id integer primary key);
create table {schema}.children (parent integer references {schema}.parents deferrable initially deferred);
insert into {schema}.children values (1);
