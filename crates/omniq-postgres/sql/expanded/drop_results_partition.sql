-- omniq: drop_results_partition
select "omniq".drop_results_partition('0')
