/**
 * A process that adds patterns to a bank until it is killed: `node memory-writer.ts DIR NAME`. After each durable flush
 * it prints how many are acknowledged; every third pattern also gets an outcome, every seventh is removed again.
 */
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {openMemory} from '../../src/core/memory.ts'
import {createRng} from '../../src/domain/rng.ts'
import {aPattern, unitSample} from './patterns.ts'

const [, , directory = '', name = ''] = process.argv
const memory = await openMemory({config: Config.parse({}), directory})
const rng = createRng(1, name)
for (let i = memory.bank.count; ; i++) {
  const id = `${name}-${i}`
  memory.bank.add(aPattern({id, vector: unitSample(rng), tsUs: i + 1}))
  if (i % 3 === 0) memory.bank.recordOutcome(id, i, i + 2)
  if (i % 7 === 6) memory.bank.remove(`${name}-${i - 1}`)
  if (i % 4 === 0) {
    await memory.flush()
    if (i % 40 === 0) memory.saveIndex()
    process.stdout.write(`${JSON.stringify({acknowledged: id, index: i})}\n`)
  }
}
