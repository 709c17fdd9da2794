-- breaks below {notes}: the column options is now called settings, and programs without notes read options
alter table {schema}.tasks rename column options to settings;
