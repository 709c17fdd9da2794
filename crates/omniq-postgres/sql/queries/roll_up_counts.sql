-- Folds changes of counts into totals if there are at least $1.
select {schema}.roll_up_counts($1)
