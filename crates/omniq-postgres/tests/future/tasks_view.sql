-- breaks below {notes}: the view task_list is gone, and programs without notes read it
drop view {schema}.task_list;
