// pg-boss, with batches, two loops and its LISTEN/NOTIFY option.
import { PgBoss } from 'pg-boss'
import { MODE, URL, bulk, connections, handle, produce, serve, setting } from './protocol.mjs'

const QUEUE = 'bench0'
const boss = new PgBoss({
  connectionString: URL,
  max: connections(10),
  useListenNotify: MODE === 'work',
  schedule: false
})
boss.on('error', (error) => process.stderr.write(String(error) + '\n'))
await boss.start()

if (MODE === 'setup') {
  // With UNIQUE=1 of the policy by which a waiting job holds its key.
  await boss.createQueue(QUEUE, { notify: true, ...(setting('UNIQUE', 0) ? { policy: 'short' } : {}) })
  process.exit(0)
} else if (MODE === 'work') {
  serve()
  const options = {
    batchSize: setting('BATCH', 1000),
    localConcurrency: setting('LOOPS', 2),
    pollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true
  }
  await boss.work(QUEUE, options, (jobs) => Promise.all(jobs.map((job) => handle(job.data.t))))
} else {
  const key = (data) => (setting('UNIQUE', 0) ? { singletonKey: `job ${data.i}` } : {})
  const many = (jobs) => boss.insert(QUEUE, jobs.map((data) => ({ data, ...key(data) })))
  await (MODE === 'bulk' ? bulk(5000, many) : produce((data) => boss.send(QUEUE, data)))
  process.exit(0)
}
