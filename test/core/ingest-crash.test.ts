import {spawn} from 'node:child_process'
import {readdirSync} from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {describe, expect, it} from 'vitest'
import {openCatalog, readUnits} from '../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, temporaryFolder, textFile} from '../support/ingest.ts'

const script = fileURLToPath(new URL('../support/ingest-process.ts', import.meta.url))

/** Ingests in a process of its own that is killed without mercy once `when` holds, or runs to its end. */
const killedIngest = (out: string, files: readonly string[], delayMs: number): Promise<number | null> =>
  new Promise(resolve => {
    const child = spawn(process.execPath, [script, out, ...files], {stdio: ['ignore', 'pipe', 'inherit']})
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), delayMs))
    child.once('exit', code => resolve(code))
  })

describe('an ingest that is killed', () => {
  it('leaves whole units only, and the next run completes and tidies up', async () => {
    const rows = Array.from({length: 60_000}, (_, i) => `${1_700_000_000 + i},${(100 + (i % 977) / 100).toFixed(2)},1`)
    const files = Array.from({length: 6}, (_, n) => textFile(`S${n}.csv`, `timestamp,price,size\n${rows.join('\n')}\n`))
    const out = path.join(temporaryFolder(), 'data')
    const counts: number[] = []
    for (const delayMs of [10, 60, 120, 250]) {
      const code = await killedIngest(out, files, delayMs)
      const units = await readUnits(out)
      counts.push(units.length)
      // Whatever is visible is whole.
      for (const unit of units) expect(unit.rows).toBe(60_000)
      if (units.length > 0) expect((await openCatalog(out)).rows).toBe(units.length * 60_000)
      if (code === 0) break
    }
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    const summary = await ingestFiles('csv', files, {out})
    expect(summary).toMatchObject({files: 6, rows: 360_000, unchanged: counts.at(-1)})
    expect(readdirSync(out).filter(name => !name.startsWith('ingest='))).toEqual([])
    const fresh = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', files, {out: fresh})
    expect(await (await openCatalog(out)).dataHash()).toBe(await (await openCatalog(fresh)).dataHash())
  })
})
