-- Sends an empty notification on a worker's channel once no hand-off to it is in flight.
-- params: worker bigint, channel text
-- locks: advisory
select {schema}.end_handoff(:worker, :channel)
