-- What the load keeps beside the queue, in the same database, so that transactions can span both.
create table accounts (id int primary key, balance bigint not null);
insert into accounts select i, 1000 from generate_series(0, 19) i;
-- No unique keys: what happens twice is to be seen, not prevented.
create table payments (task uuid not null, n bigint not null, run uuid not null);
create table orders (n bigint not null);
create table effects (task uuid not null, n bigint not null, run uuid not null);
