-- breaks below 2: the column options is now called settings, and programs at version 1 read options
alter table {schema}.tasks rename column options to settings;
