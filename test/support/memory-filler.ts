/**
 * Fills a bank until the disk is full and tells what happened, or verifies what is there: `node memory-filler.ts DIR
 * [verify]`.
 */
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {openMemory} from '../../src/core/memory.ts'
import {UserError} from '../../src/domain/errors.ts'
import {createRng} from '../../src/domain/rng.ts'
import {aPattern, unitSample} from './patterns.ts'

const [, , directory = '', mode = 'fill'] = process.argv
const memory = await openMemory({config: Config.parse({}), directory})
if (mode === 'verify') {
  process.stdout.write(JSON.stringify(await memory.store.verify()))
  process.exit(0)
}
const rng = createRng(1)
let acknowledged = 0
try {
  for (;;) {
    for (let i = 0; i < 50; i++) memory.bank.add(aPattern({id: `p${acknowledged + i}`, vector: unitSample(rng)}))
    await memory.flush()
    acknowledged += 50
  }
} catch (error) {
  const {code, message, hints} = error as UserError
  process.stdout.write(JSON.stringify({acknowledged, isUserError: error instanceof UserError, code, message, hints}))
}
process.exit(0)
