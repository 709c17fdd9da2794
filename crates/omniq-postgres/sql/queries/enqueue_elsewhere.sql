-- Adds tasks on a connection of any driver, in whatever transaction it is: all types are written down, and times are text.
select {schema}.enqueue_many(
    cast(cast($1 as text[]) as uuid[]), cast($2 as text[]), cast($3 as text[]), cast($4 as text[]), cast($5 as bytea[]),
    cast($6 as smallint[]), cast($7 as integer[]), cast(cast($8 as text[]) as timestamptz[]), cast($9 as double precision[]),
    cast($10 as double precision[]), cast($11 as text[]), cast($12 as text[]), cast($13 as boolean[]))
