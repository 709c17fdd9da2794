-- Listens on the channel of a worker.
-- params: channel text
select {schema}.listen_on(:channel)
