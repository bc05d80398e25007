import {readFileSync, writeFileSync} from 'node:fs'
import process from 'node:process'
import {gzipSync} from 'node:zlib'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'
import Chain from '../../src/commands/chain.ts'
import {analyseChains, type ChainRecord, type ChainRequest} from '../../src/core/chain.ts'
import {GpiRecord} from '../../src/data/records.ts'
import {occ, syntheticQuotes} from '../options/synthetic-chain.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const quotes = syntheticQuotes({
  spot: 4300,
  rate: 0.05,
  yieldRate: 0.015,
  expiries: ['2023-07-21', '2023-09-15'],
  strikes: Array.from({length: 21}, (_, i) => 3800 + 50 * i),
  halfSpread: 0.2,
  volatility: (strike, _t, forward) => 0.2 - 0.2 * Math.log(strike / forward),
}).map(quote => ({kind: 'option-quote', ...quote}))
const ndjson = (records: readonly unknown[]): string => records.map(record => `${JSON.stringify(record)}\n`).join('')

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder('gpi-chain-')
})
afterEach(() => {
  folder[Symbol.dispose]()
  process.exitCode = 0
})

const request = (from: string, more: Partial<ChainRequest> = {}): ChainRequest => ({
  ...{from, style: 'auto', windowUs: 60e6, surface: false, violations: false, skipInvalid: false},
  ...more,
})
const run = async (records: readonly unknown[], more: Partial<ChainRequest> = {}) => {
  const file = folder.join('in.ndjson')
  writeFileSync(file, typeof records[0] === 'string' ? records.join('\n') : ndjson(records))
  const {records: out, summary} = analyseChains(request(file, more))
  const got: ChainRecord[] = []
  for await (const record of out) got.push(record)
  return {records: got, summary}
}

describe('chains of a stream', () => {
  test('a greeks record for each contract, valid for the next pipe', async () => {
    const {records, summary} = await run(quotes)
    expect(records).toHaveLength(quotes.length)
    expect(summary).toMatchObject({chains: 1, contracts: quotes.length})
    expect(summary.byStatus.ok).toBe(quotes.length)
    for (const record of records) expect(GpiRecord.safeParse(record).success).toBe(true)
    const atTheMoney = records.find(r => r.kind === 'greeks' && r.strike === 4300 && r.right === 'call')
    expect(atTheMoney).toMatchObject({contract: occ('SPXW', '2023-07-21', 'call', 4300), status: 'ok'})
  })

  test('symbols and windows make separate chains, whatever is interleaved; other records are passed over', async () => {
    const later = quotes.map(q => ({...q, tsUs: q.tsUs + 60e6}))
    const other = quotes.map(q => ({...q, symbol: 'XSP'}))
    const noise = {kind: 'observation', symbol: 'VIX', tsUs: 1, name: 'close', value: 13}
    const mixed = [noise, ...quotes.flatMap((q, i) => [q, other[i]]), ...later]
    const {summary} = await run(mixed)
    expect(summary).toMatchObject({chains: 3, contracts: 3 * quotes.length, otherRecords: 1})
  })

  test('a stream without an option quote is refused by what it holds', async () => {
    const other = {kind: 'observation', symbol: 'VIX', tsUs: 1, name: 'close', value: 13}
    await expect(run([other])).rejects.toMatchObject({
      code: 'NO_CHAIN',
      exitCode: 6,
      message: 'the input holds no option quotes among its 1 records',
    })
  })

  test('a contract at its expiry has a mid, and no volatility', async () => {
    const tsUs = Date.parse('2023-09-15T20:00:00Z') * 1000
    const {records} = await run(quotes.map(q => ({...q, tsUs})))
    const expired = records.find(r => r.kind === 'greeks' && r.bid > 0)
    expect(expired).toMatchObject({status: 'no-quote', impliedVolatility: null})
    expect(expired).toHaveProperty('mid', expect.any(Number))
  })

  test('surface, smiles and violations are records too', async () => {
    const body = occ('SPXW', '2023-07-21', 'put', 4300)
    const bent = quotes.map(q => (q.contract === body ? {...q, bid: q.bid + 20, ask: q.ask + 20} : q))
    const plot = folder.join('smile.svg')
    const {records, summary} = await run(bent, {surface: true, violations: true, plot})
    const kinds = records.map(r => r.kind)
    expect(kinds.filter(kind => kind === 'smile')).toHaveLength(2)
    expect(kinds.filter(kind => kind === 'surface')).toHaveLength(1)
    expect(summary).toMatchObject({smiles: 2, arbitrageFree: 2})
    expect(summary.violations).toBeGreaterThan(0)
    for (const record of records) expect(GpiRecord.safeParse(record).error).toBeUndefined()
    expect(readFileSync(plot, 'utf8')).toMatch(/^<svg [\s\S]*2023-09-15[\s\S]*<polyline[\s\S]*<\/svg>\s*$/)
  })

  test('gzip is read by its name', async () => {
    const file = folder.join('in.ndjson.gz')
    writeFileSync(file, gzipSync(ndjson(quotes)))
    const {records, summary} = analyseChains(request(file))
    for await (const _ of records);
    expect(summary.contracts).toBe(quotes.length)
  })

  test('an invalid record fails the run at its end, is listed, and can be left out', async () => {
    const lines = [...quotes.map(q => JSON.stringify(q)), '{"kind":"option-quote","symbol":"SPX"}', 'nonsense']
    await expect(run(lines)).rejects.toMatchObject({code: 'INVALID_RECORDS', exitCode: 6})
    const rejectsFile = folder.join('rejects.ndjson')
    const {records, summary} = await run(lines, {skipInvalid: true, rejectsFile})
    expect(records).toHaveLength(quotes.length)
    expect(summary.rejected).toBe(2)
    expect(readFileSync(rejectsFile, 'utf8').trim().split('\n')).toHaveLength(2)
  })

  test('a missing file is said', async () => {
    const {records} = analyseChains(request('/nowhere/quotes.ndjson'))
    await expect(records.next()).rejects.toMatchObject({code: 'FILE_NOT_FOUND'})
  })
})

describe('the command', () => {
  let words = ''
  let output = ''
  beforeEach(() => {
    words = ''
    output = ''
    const take =
      (into: (text: string) => void) =>
      (chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
        into(String(chunk))
        const callback = typeof encoding === 'function' ? encoding : done
        if (typeof callback === 'function') callback()
        return true
      }
    vi.spyOn(process.stdout, 'write').mockImplementation(
      take(text => {
        output += text
      }),
    )
    vi.spyOn(process.stderr, 'write').mockImplementation(
      take(text => {
        words += text
      }),
    )
  })

  test('writes a file, says what it did, returns the summary', async () => {
    const file = folder.join('in.ndjson')
    const out = folder.join('greeks.ndjson')
    writeFileSync(file, ndjson(quotes))
    const summary = await Chain.run(['--from', file, '--out', out, '--surface'], {root: process.cwd()})
    expect(summary).toMatchObject({chains: 1, smiles: 2})
    expect(readFileSync(out, 'utf8').trim().split('\n')).toHaveLength(quotes.length + 3)
    expect(words).toMatch(/1 chains, 84 contracts: 84 ok; 2 smiles, 2 free of arbitrage/)
  })

  test.each([
    [['--window', 'soon'], 'DURATION_INVALID'],
    [['--rate', 'five'], 'FLAG_INVALID'],
  ])('refuses %j', async (argv, code) => {
    await Chain.run([...argv, '--json'], {root: process.cwd()})
    expect(process.exitCode).toBe(2)
    expect(output + words).toContain(code)
  })
})
