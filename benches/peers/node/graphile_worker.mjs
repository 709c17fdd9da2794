// graphile-worker, with the local queue and the batched completions that its documentation recommends for throughput.
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker'
import { MODE, URL, bulk, connections, handle, produce, serve, setting } from './protocol.mjs'

const logger = new Logger(() => (level, message) => { if (level === 'error') process.stderr.write(message + '\n') })
const shared = { connectionString: URL, maxPoolSize: connections(10), logger }

if (MODE === 'setup') {
  await runMigrations(shared)
  process.exit(0)
} else if (MODE === 'work') {
  const delay = setting('COMPLETE_MS', 50)
  const worker = {
    ...shared,
    concurrentJobs: setting('SLOTS', 100),
    pollInterval: setting('POLL_MS', 2000),
    completeJobBatchDelay: delay,
    failJobBatchDelay: delay
  }
  const size = setting('LOCAL_QUEUE', 2000)
  if (size > 0) worker.localQueue = { size }
  serve()
  await run({ preset: { worker }, taskList: { noop: (job) => handle(job.t) }, noHandleSignals: true })
} else {
  const utils = await makeWorkerUtils(shared)
  const key = (job) => (setting('UNIQUE', 0) ? { jobKey: `job ${job.i}` } : {})
  const many = (jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: 'noop', payload, ...key(payload) })))
  await (MODE === 'bulk' ? bulk(1000, many) : produce((job) => utils.addJob('noop', job)))
  process.exit(0)
}
