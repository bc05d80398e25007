import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {TradeSummary} from '../../src/core/trade.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

/** Another build to test, or this checkout's own. */
const root = process.env['GPI_TEST_ROOT'] ?? fileURLToPath(new URL('../..', import.meta.url))
const built = existsSync(path.join(root, 'dist/commands/trade.js'))

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-depth-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const gpi = async (...argv: string[]): Promise<{readonly code: number | null; readonly out: string}> => {
  const child = spawn(process.execPath, [path.join(root, 'bin/run.js'), ...argv, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {...process.env, APCA_API_KEY_ID: '', APCA_API_SECRET_KEY: '', REDIS_URL: ''},
  })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  const [code] = await once(child, 'close')
  return {code: code as number | null, out}
}

describe.skipIf(!built || noTestData)('a replay of recorded books (needs npm run build and the shared data)', () => {
  test('their depth reaches the strategies over the wire, and the book model answers', {timeout: 180_000}, async () => {
    const data = path.join(home, 'catalog')
    const files = ['bbo', 'depth', 'trades'].map(kind => dataFile(`lob/binance_spot_ETHUSDT_20240808_${kind}.csv.gz`))
    expect((await gpi('ingest', 'binance', ...files, '--out', data)).code).toBe(0)
    const {code, out} = await gpi(
      'trade',
      '--paper',
      '--data',
      data,
      '--speed',
      '20',
      '--strategy',
      'market-making',
      '--home',
      home,
    )
    expect(code).toBe(0)
    const {stoppedBy, ledgerErrorMicros, strategies} = JSON.parse(out) as TradeSummary
    expect({stoppedBy, ledgerErrorMicros}).toEqual({stoppedBy: 'feed-end', ledgerErrorMicros: 0})
    // Only after its training data ends, a good minute before the tape does.
    expect(strategies[0]?.report).toMatchObject({model: 'book'})
    expect(strategies[0]?.report['modelAnswers']).toBeGreaterThan(10)
  })
})
