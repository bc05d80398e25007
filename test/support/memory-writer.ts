/**
 * A process that writes to a bank until it is killed: `node memory-writer.ts DIR NAME`. After each durable flush it prints
 * what is acknowledged. Of its patterns every third gets an outcome, every fifth is used, every seventh takes the one
 * before it away again, every eleventh becomes cold until the next prune; with each it counts one more use of the pattern `shared`, and now and
 * then it saves the index, prunes, and keeps a named value.
 */
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {openMemory} from '../../src/core/memory.ts'
import {createRng} from '../../src/domain/rng.ts'
import {defaultPruneOptions, planPrune} from '../../src/memory/prune.ts'
import {aPattern, unitSample} from './patterns.ts'

export interface Acknowledgement {
  readonly acknowledged: string
  readonly index: number
  /** Uses of `shared` that this process has made durable. */
  readonly shared: number
}

const [, , directory = '', name = ''] = process.argv
const memory = await openMemory({config: Config.parse({}), directory})
const rng = createRng(1, name)
memory.bank.add(aPattern({id: 'shared', vector: unitSample(createRng(1, 'shared')), tsUs: 1}))
let shared = 0
for (let i = memory.bank.count; ; i++) {
  const id = `${name}-${i}`
  memory.bank.add(aPattern({id, vector: unitSample(rng), tsUs: i + 1}))
  if (i % 3 === 0) memory.bank.recordOutcome(id, i, i + 2)
  if (i % 5 === 0) memory.bank.recordUse([id], i + 3)
  if (i % 7 === 6) memory.bank.remove(`${name}-${i - 1}`)
  if (i % 11 === 0) memory.bank.setTier(id, 'cold')
  memory.bank.recordUse(['shared'], i)
  shared++
  if (i % 4 !== 0) continue
  if (i % 20 === 0) {
    memory.bank.prune(planPrune(memory.bank.patterns(), {...memory.bank.options, ...defaultPruneOptions, nowUs: i}))
  }
  await memory.flush()
  if (i % 12 === 0) await memory.store.setMeta('last', id)
  if (i % 16 === 0) memory.saveIndex()
  if (i % 40 === 0) await memory.refresh()
  process.stdout.write(`${JSON.stringify({acknowledged: id, index: i, shared} satisfies Acknowledgement)}\n`)
}
