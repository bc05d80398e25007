import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {createInterface} from 'node:readline'
import {afterAll, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {openMemory} from '../../src/core/memory.ts'
import {createRng} from '../../src/domain/rng.ts'
import type {Acknowledgement} from '../support/memory-writer.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'gpi-crash-'))
afterAll(() => rmSync(folder, {recursive: true}))

const startWriter = (directory: string, name: string) => {
  const child = spawn(process.execPath, [path.resolve('test/support/memory-writer.ts'), directory, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const seen: Acknowledgement[] = []
  const lines = createInterface({input: child.stdout})
  lines.on('line', line => seen.push(JSON.parse(line)))
  return {child, seen, lines}
}

/** SIGKILL after so many acknowledgements: somewhere inside a later write. */
const killAfter = async (child: ChildProcess, seen: readonly unknown[], lines: NodeJS.EventEmitter, count: number) => {
  while (seen.length < count) await once(lines, 'line')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** More of them for a soak: `GPI_CRASH_ROUNDS=200 npx vitest run test/memory/crash.test.ts`. */
const ROUNDS = Number(process.env['GPI_CRASH_ROUNDS'] ?? 6)
/** Patterns between two acknowledgements: what may be durable although it was never said to be. */
const UNSAID = 4

test(
  'two writers killed anywhere, again and again, leave a sound bank with all that was acknowledged',
  async () => {
    const directory = path.join(folder, 'bank')
    const rng = createRng(ROUNDS, 'kills')
    let [leastShared, mostShared] = [0, 0]
    for (let round = 0; round < ROUNDS; round++) {
      const a = startWriter(directory, `a${round}`)
      const b = startWriter(directory, `b${round}`)
      // The signal arrives wherever the writer then is: inside a transaction, between two, or writing the index.
      const killed = [a, b].map(({child, seen, lines}) => killAfter(child, seen, lines, 1 + rng.below(20)))
      await Promise.all(killed)

      await using memory = await openMemory({config: Config.parse({}), directory})
      expect(memory.notices).toEqual([])
      expect((await memory.store.verify()).problems).toEqual([])
      for (const {acknowledged, index} of [...a.seen, ...b.seen]) {
        const stored = memory.bank.get(acknowledged)
        const observations = index % 3 === 0 ? [{atUs: index + 2, pnlBps: index}] : []
        // Every seventh removes the one before it, perhaps in the batch after the acknowledgement.
        const mayBeGone = index % 7 === 5
        if (mayBeGone && stored === undefined) continue
        expect(stored).toMatchObject({tsUs: index + 1, observations, uses: index % 5 === 0 ? 1 : 0})
      }
      for (const {seen} of [a, b]) {
        leastShared += seen.at(-1)?.shared ?? 0
        mostShared += (seen.at(-1)?.shared ?? 0) + UNSAID
      }
      // Counts of both add up: none of an acknowledged batch is lost, and none counts twice.
      expect(memory.bank.get('shared')?.uses).toBeGreaterThanOrEqual(leastShared)
      expect(memory.bank.get('shared')?.uses).toBeLessThanOrEqual(mostShared)
      const {matches} = memory.bank.search(unitOf(memory.bank), {asOfUs: Number.MAX_SAFE_INTEGER})
      expect(matches.length).toBeGreaterThan(0)
    }
  },
  60_000 + ROUNDS * 30_000,
)

const unitOf = (bank: Awaited<ReturnType<typeof openMemory>>['bank']): ArrayLike<number> =>
  bank.patterns().next().value?.vector ?? []

test('one process writes while another reads', async () => {
  const directory = path.join(folder, 'shared')
  const writer = startWriter(directory, 'w')
  while (writer.seen.length < 2) await once(writer.lines, 'line')
  await using reader = await openMemory({config: Config.parse({}), directory})
  const before = reader.bank.count
  // What the writer has said may lag behind what the reader has already loaded: wait until it is past that.
  const isPast = (): boolean => (writer.seen.at(-1)?.index ?? 0) > 2 * before + 20
  while (!isPast()) await once(writer.lines, 'line')
  const target = writer.seen.length
  expect(await reader.refresh()).toBeGreaterThan(0)
  expect(reader.bank.count).toBeGreaterThan(before)
  for (const {acknowledged, index} of writer.seen.slice(0, target)) {
    if (index % 7 !== 5) expect(reader.bank.get(acknowledged)).toBeDefined()
  }
  reader.bank.recordOutcome('w-3', -1, 1_000)
  await reader.flush()
  writer.child.kill('SIGKILL')
  await once(writer.child, 'exit')
  await using after = await openMemory({config: Config.parse({}), directory})
  expect(after.bank.get('w-3')?.observations).toEqual([
    {atUs: 5, pnlBps: 3},
    {atUs: 1_000, pnlBps: -1},
  ])
}, 60_000)
