// What the Node programs of the benchmark share: command line, clock, the job, producers, counts of handler runs.
// The same commands and lines as the Rust ones (benches/protocol); see benches/README.md.
import readline from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export const now = () => Number(process.hrtime.bigint())
export const URL = process.env.DATABASE_URL
export const MODE = process.argv[2]
export const ARGS = process.argv.slice(3).map(Number)
const PAD = 'the quick brown fox jumps over the lazy dog, and on to the end of it.'
const EVERY = 100

export const setting = (key, otherwise) => Number(process.env[key] ?? otherwise)
export const job = (i, t = 0) => ({ t, i, pad: PAD })
const say = (line) => process.stdout.write(line + '\n')
const report = (jobs, start) => say(JSON.stringify({ jobs, seconds: (now() - start) / 1e9 }))

// How many connections a producer of this kind is given, as in the Rust programs.
export function connections (otherwise) {
  const known = { single: Math.max(2, ARGS[0]), load: 32, setup: 4, bulk: 4, paced: 4 }
  return known[MODE] ?? setting('CONNECTIONS', otherwise)
}

export async function bulk (chunk, call) {
  chunk = setting('CHUNK', chunk)
  const count = ARGS[0]
  const start = now()
  for (let from = 0; from < count; from += chunk) {
    await call(Array.from({ length: Math.min(chunk, count - from) }, (_, k) => job(from + k)))
  }
  report(count, start)
}

async function callersLoop (callers, call, goesOn) {
  let next = 0
  const loop = async () => {
    let done = 0
    for (let number; goesOn(number = next++); done++) await call(job(number))
    return done
  }
  const counts = await Promise.all(Array.from({ length: callers }, loop))
  return counts.reduce((a, b) => a + b, 0)
}

// `load`, `single` or `paced`, around the queue's own call.
export async function produce (call) {
  if (MODE === 'load') {
    const start = now()
    report(await callersLoop(32, call, (number) => number < ARGS[0]), start)
  } else if (MODE === 'single') {
    const [callers, seconds] = ARGS
    for (let number = 0; number < callers; number++) await call(job(number)) // connections
    const start = now()
    say(`START ${start}`)
    report(await callersLoop(callers, call, () => now() < start + seconds * 1e9), start)
  } else if (MODE === 'paced') {
    await call(job(0))
    const start = now()
    for (let number = 0, due = start; number < ARGS[0]; number++, due += ARGS[1] * 1e6) {
      await sleep(Math.max(0, (due - now()) / 1e6))
      await call(job(number, now()))
    }
    report(ARGS[0], start)
  }
}

let count = 0
let wanted = 0
let pause = 0
const marks = []
const latencies = []

// The body of every handler.
export async function handle (enqueuedAt) {
  count++
  if (enqueuedAt) latencies.push(now() - enqueuedAt)
  if (count % EVERY === 0) marks.push(now())
  if (count === wanted) say(`REACHED ${now()}`)
  if (pause) await sleep(pause)
}

// Says READY; a line on standard input ends the program, after the counts.
export function serve () {
  wanted = ARGS[0]
  pause = setting('SLEEP_MS', 0)
  const ready = now()
  say(`READY ${ready}`)
  readline.createInterface({ input: process.stdin }).once('line', () => {
    const line = JSON.stringify({ count, ready, every: EVERY, marks, latencies }) + '\n'
    process.stdout.write(line, () => process.exit(0))
  })
}
