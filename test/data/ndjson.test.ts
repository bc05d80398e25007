import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {Rejects, readNdjson} from '../../src/data/ndjson.ts'
import {collect} from '../support/ingest.ts'

const read = async (chunks: readonly (string | Uint8Array)[]) => {
  const rejects = new Rejects()
  const records = await collect(
    readNdjson(
      (async function* () {
        yield* chunks
      })(),
      rejects,
    ),
  )
  return {records, rejects}
}
const trade = (n: number) => ({kind: 'trade', symbol: 'Ä', tsUs: n, price: 1.5, size: n, note: 'kept'})

describe('an NDJSON stream', () => {
  it('is the same wherever it is cut, between or inside characters', async () => {
    const text = Array.from({length: 5}, (_, i) => JSON.stringify(trade(i + 1))).join('\n')
    const bytes = new TextEncoder().encode(text)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({min: 0, max: bytes.length}), {maxLength: 12}), async cuts => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const {records, rejects} = await read(at.slice(1).map((end, i) => bytes.slice(at[i], end)))
        expect(rejects.count).toBe(0)
        expect(records).toEqual(Array.from({length: 5}, (_, i) => ({line: i + 1, record: trade(i + 1)})))
      }),
      {numRuns: 50},
    )
  })

  it('takes blank lines, carriage returns and a missing last newline', async () => {
    const {records} = await read([`\n${JSON.stringify(trade(1))}\r\n\n${JSON.stringify(trade(2))}`])
    expect(records.map(({line}) => line)).toEqual([2, 4])
  })

  it('goes on after a bad record, and names the first at the end', async () => {
    const seen: number[] = []
    const rejects = new Rejects(({line}) => seen.push(line))
    const lines = [trade(1), {kind: 'trade', symbol: 'A', tsUs: 1.5, price: 1, size: 1}, {kind: 'nonsense'}, trade(2)]
    const input = (async function* () {
      yield `${lines.map(line => JSON.stringify(line)).join('\n')}\nnot json\n`
    })()
    expect((await collect(readNdjson(input, rejects))).map(({line}) => line)).toEqual([1, 4])
    expect(seen).toEqual([2, 3, 5])
    expect(() => rejects.throwIfAny('standard input')).toThrow(/standard input:2: tsUs: .*\(and 2 more\)/)
  })

  it('never throws on what is not NDJSON', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), async texts => {
        const {records, rejects} = await read([texts.join('\n')])
        expect(records.length + rejects.count).toBeLessThanOrEqual(texts.join('\n').split('\n').length)
      }),
    )
  })
})
