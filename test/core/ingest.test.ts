import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {gzipSync} from 'node:zlib'
import {describe, expect, it} from 'vitest'
import {ingestToNdjson} from '../../src/core/ingest.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, ingestRequest, type RecordOf, recordsOf, temporaryFolder, textFile} from '../support/ingest.ts'

const BARS = `datetime_utc,open,high,low,close,volume
2024-01-02 14:30,10.5,11,10,10.75,100
2024-01-02 14:31,10.75,10.8,10.7,10.72,50
`
const iso = (us: number): string => new Date(us / 1000).toISOString()

describe('a table of bars', () => {
  it('is stamped at the close of each bar, with the symbol and period of the file name', async () => {
    const file = textFile('us_1m_AAPL_2024.csv', BARS)
    const out = path.join(temporaryFolder(), 'data')
    const summary = await ingestFiles('csv', [file], {out})
    expect(summary).toMatchObject({
      source: 'csv',
      files: 1,
      rows: 2,
      rejected: 0,
      defects: {},
      from: '2024-01-02T14:31:00.000Z',
      to: '2024-01-02T14:32:00.000Z',
      out,
    })
    expect(summary.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await recordsOf(out)).toEqual([
      {
        kind: 'bar',
        symbol: 'AAPL',
        tsUs: 1704205860000000,
        open: 10.5,
        high: 11,
        low: 10,
        close: 10.75,
        volume: 100,
        periodUs: 60_000_000,
      },
      {
        kind: 'bar',
        symbol: 'AAPL',
        tsUs: 1704205920000000,
        open: 10.75,
        high: 10.8,
        low: 10.7,
        close: 10.72,
        volume: 50,
        periodUs: 60_000_000,
      },
    ])
  })

  it('reads New York time through daylight saving, and closes days with the session', async () => {
    const minutes = textFile(
      'us_1m_X.csv',
      'datetime_et,open,high,low,close,volume\n2025-03-07 09:30,1,1,1,1,1\n2025-03-10 09:30,1,1,1,1,1\n',
    )
    const days = textFile(
      'Y_1d.csv',
      'date,open,high,low,close,volume\n2024-07-02,1,1,1,1,1\n2024-07-03,1,1,1,1,1\n2024-07-04,1,1,1,1,1\n2024-12-02,1,1,1,1,1\n',
    )
    const out = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', [minutes], {out})
    expect((await recordsOf(out)).map(record => iso(record.tsUs))).toEqual([
      '2025-03-07T14:31:00.000Z',
      '2025-03-10T13:31:00.000Z',
    ])
    const summary = await ingestFiles('csv', [days], {out})
    expect(summary.defects).toEqual({gaps: 1, notATradingDay: 1})
    expect((await recordsOf(out, {symbols: ['Y']})).map(record => iso(record.tsUs))).toEqual([
      '2024-07-02T20:00:00.000Z',
      '2024-07-03T17:00:00.000Z',
      '2024-07-04T20:00:00.000Z',
      '2024-12-02T21:00:00.000Z',
    ])
  })

  it('keeps the first of two, sorts what is out of order, widens a bar that contradicts itself, and counts it all', async () => {
    const file = textFile(
      'Z_1m.csv',
      `datetime_utc,open,high,low,close,volume
2024-01-02 14:32,3,3,3,3,1
2024-01-02 14:30,1,1,1,1,1
2024-01-02 14:30,9,9,9,9,9
2024-01-02 14:31,2,1.5,2,2,
2024-01-02 14:33,,,,,
2024-01-02 14:40,4,4,4,4,1
`,
    )
    const out = path.join(temporaryFolder(), 'data')
    const summary = await ingestFiles('csv', [file], {out})
    expect(summary.defects).toEqual({
      blankBars: 1,
      blankVolumes: 1,
      duplicates: 1,
      gaps: 1,
      inconsistentBars: 1,
      outOfOrder: 1,
    })
    const bars = (await recordsOf(out)) as RecordOf<'bar'>[]
    expect(bars.map(bar => bar.close)).toEqual([1, 2, 3, 4])
    expect(bars[1]).toMatchObject({open: 2, high: 2, low: 1.5, volume: 0})
  })

  it.each([
    ['seconds', '1704205800', 1704205800e6],
    ['milliseconds', '1704205800123', 1704205800123000],
    ['microseconds', '1704205800123456', 1704205800123456],
    ['nanoseconds', '1704205800123456789', 1704205800123456],
    ['ISO with zone', '2024-01-02T09:30:00-05:00', 1704205800e6],
    ['ISO', '2024-01-02T14:30:00Z', 1704205800e6],
  ])('reads stamps in %s', async (_, stamp, tsUs) => {
    const file = textFile('AAPL.csv', `timestamp,price,size\n${stamp},1.5,2\n`)
    const out = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', [file], {out})
    expect(await recordsOf(out)).toEqual([{kind: 'trade', symbol: 'AAPL', tsUs, price: 1.5, size: 2}])
  })

  it('follows --map, --symbol and --tz for names it cannot know', async () => {
    const file = textFile('kurse.csv', 'Zeit;Kurs;Menge\n2024-01-02 15:30:00;12.5;3\n')
    const out = path.join(temporaryFolder(), 'data')
    const options = {map: {Zeit: 'time', Kurs: 'price', Menge: 'size'}, symbol: 'SAP', timeZone: 'Europe/Berlin'}
    await ingestFiles('csv', [file], {out, options})
    expect(await recordsOf(out)).toEqual([{kind: 'trade', symbol: 'SAP', tsUs: 1704205800e6, price: 12.5, size: 3}])
  })

  it('chooses decimals that hold every price exactly', async () => {
    const file = textFile('PENNY.csv', 'timestamp,price,size\n1704205800,0.000123,1.25\n1704205801,17.59480123,2\n')
    const out = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', [file], {out})
    const [instrument] = (await openCatalog(out)).instruments.all()
    expect(instrument).toMatchObject({priceDecimals: 8, sizeDecimals: 2, incrementTicks: 1_000_000, minLots: 100})
    expect(((await recordsOf(out)) as RecordOf<'trade'>[]).map(trade => [trade.price, trade.size])).toEqual([
      [0.000123, 1.25],
      [17.59480123, 2],
    ])
  })

  it('drops crossed quotes, keeps one-sided and locked ones, and counts each', async () => {
    const file = textFile(
      'Q.csv',
      'timestamp,bid,ask,bid_size,ask_size\n1,10,11,1,1\n2,11,10,1,1\n3,10,10,1,1\n4,10,,5,\n5,,,,\n',
    )
    const out = path.join(temporaryFolder(), 'data')
    const summary = await ingestFiles('csv', [file], {out})
    expect(summary.defects).toEqual({crossedQuotes: 1, emptyQuotes: 1, lockedQuotes: 1, oneSidedQuotes: 1})
    expect((await recordsOf(out)).at(-1)).toEqual({
      kind: 'quote',
      symbol: 'Q',
      tsUs: 4e6,
      bid: 10,
      ask: 0,
      bidSize: 5,
      askSize: 0,
    } satisfies RecordOf<'quote'>)
  })
})

describe('running again', () => {
  it('reads nothing twice, plain or compressed', async () => {
    const out = path.join(temporaryFolder(), 'data')
    const plain = textFile('us_1m_AAPL.csv', BARS)
    const packed = textFile('us_1m_AAPL.csv.gz', gzipSync(BARS))
    const first = await ingestFiles('csv', [plain], {out})
    const hash = await (await openCatalog(out)).dataHash()
    expect(first.unchanged).toBe(0)
    expect((await ingestFiles('csv', [plain, packed], {out})).unchanged).toBe(2)
    expect(readdirSync(out)).toHaveLength(1)
    expect(await (await openCatalog(out)).dataHash()).toBe(hash)
  })

  it('replaces what came from the same file with other content', async () => {
    const out = path.join(temporaryFolder(), 'data')
    const file = textFile('us_1m_AAPL.csv', BARS)
    await ingestFiles('csv', [file], {out})
    writeFileSync(file, `${BARS}2024-01-02 14:32,10,10,10,10,1\n`)
    await ingestFiles('csv', [file], {out})
    expect(readdirSync(out)).toHaveLength(1)
    expect(await recordsOf(out)).toHaveLength(3)
  })

  it('has one data hash however the rows are cut into files', async () => {
    const lines = BARS.trim().split('\n')
    const whole = path.join(temporaryFolder(), 'data')
    const cut = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', [textFile('us_1m_AAPL.csv', BARS)], {out: whole})
    await ingestFiles('csv', [textFile('us_1m_AAPL_a.csv', `${lines[0]}\n${lines[2]}\n`)], {out: cut})
    await ingestFiles('csv', [textFile('us_1m_AAPL_b.csv', `${lines[0]}\n${lines[1]}\n`)], {out: cut})
    expect(await (await openCatalog(cut)).dataHash()).toBe(await (await openCatalog(whole)).dataHash())
  })
})

describe('bad input', () => {
  const refused = async (
    source: string,
    paths: readonly string[],
    code: string,
    exitCode: number,
    message?: RegExp,
  ) => {
    const out = path.join(temporaryFolder(), 'data')
    await expect(ingestFiles(source, paths, {out})).rejects.toMatchObject({
      code,
      exitCode,
      ...(message ? {message: expect.stringMatching(message)} : {}),
    })
    // Nothing is half-written.
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([])
  }

  it('names an unknown source and the nearest known one', async () => {
    await expect(ingestFiles('lobstr', ['x'])).rejects.toMatchObject({
      code: 'UNKNOWN_SOURCE',
      exitCode: 2,
      hints: expect.arrayContaining(['did you mean lobster?']),
    })
  })
  it('refuses a missing file', () => refused('csv', ['no-such.csv'], 'MISSING_FILE', 2, /no-such\.csv/))
  it('refuses a pattern and a folder without files', async () => {
    await refused('csv', [path.join(temporaryFolder(), '*.csv')], 'NO_FILES', 2)
    await refused('csv', [temporaryFolder()], 'NO_FILES', 2)
  })
  it('refuses an empty file, and an empty gzip', async () => {
    await refused('csv', [textFile('A.csv', '')], 'EMPTY_FILE', 6)
    await refused('csv', [textFile('A.csv.gz', gzipSync(''))], 'EMPTY_FILE', 6)
  })
  it('refuses binary content, plain or compressed', async () => {
    const binary = Buffer.from(Array.from({length: 4000}, (_, i) => (i * 7919) % 256))
    await refused('csv', [textFile('A.csv', binary)], 'NOT_TEXT', 6)
    await refused('csv', [textFile('A.csv.gz', gzipSync(binary))], 'NOT_TEXT', 6)
    await refused('csv', [textFile('A.csv', Buffer.from('PK\u0003\u0004zip'))], 'DAMAGED_ZIP', 6)
  })
  it('refuses columns it does not know, and says which source would', async () => {
    await refused('csv', [textFile('A.csv', 'colour,taste\nred,sweet\n')], 'WRONG_COLUMNS', 6, /colour/)
    const taq = 'DT,SYMBOL,PRICE,SIZE\n2018-01-02 10:00:00,XXX,1,1\n'
    await refused('lobster', [textFile('A.csv', taq)], 'WRONG_COLUMNS', 6)
  })
  it('refuses a header without rows', () =>
    refused('csv', [textFile('A_1m.csv', 'timestamp,price,size\n')], 'NO_ROWS', 6))
  it('names the line of a price that is no number, and how many more there are', async () => {
    const rows = 'timestamp,price,size\n1,10,1\n2,NaN,1\n3,11,1\n4,-5,1\n5,oops,1\n'
    await refused('csv', [textFile('A.csv', rows)], 'INVALID_ROWS', 6, /A\.csv:3: price .*\(and 2 more\)/)
  })
  it('refuses gzip that breaks off', () => {
    const packed = gzipSync(
      `timestamp,price,size\n${Array.from({length: 5000}, (_, i) => `${i + 1},${i * 1.37},1`).join('\n')}\n`,
    )
    return refused('csv', [textFile('A.csv.gz', packed.subarray(0, packed.length / 2))], 'TRUNCATED_FILE', 6)
  })
  it('refuses to write over a file', async () => {
    const file = textFile('out', 'precious')
    await expect(
      ingestFiles('csv', [textFile('A.csv', 'timestamp,price,size\n1,1,1\n')], {out: file}),
    ).rejects.toMatchObject({code: 'OUT_IS_A_FILE', exitCode: 2})
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })
  it.skipIf(process.getuid?.() === 0)('refuses a folder it may not write to', async () => {
    const out = path.join(temporaryFolder(), 'locked')
    mkdirSync(out)
    chmodSync(out, 0o555)
    await expect(ingestFiles('csv', [textFile('A.csv', 'timestamp,price,size\n1,1,1\n')], {out})).rejects.toMatchObject(
      {code: 'OUT_IS_READ_ONLY', exitCode: 2},
    )
  })
})

describe('--skip-invalid', () => {
  it('takes the good rows, lists the others with their lines, and counts them', async () => {
    const out = path.join(temporaryFolder(), 'data')
    const rejectsFile = path.join(temporaryFolder(), 'rejects.ndjson')
    const file = textFile('A.csv', 'timestamp,price,size\n1,10,1\n2,NaN,1\n3,11,1\n4,-5,1\noops,1\n5,12,1\n6,13\n')
    const summary = await ingestFiles('csv', [file], {out, rejectsFile, skipInvalid: true})
    expect(summary).toMatchObject({rows: 3, rejected: 4})
    const rejects = readFileSync(rejectsFile, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as {line: number; text: string})
    expect(rejects.map(({line, text}) => [line, text])).toEqual([
      [3, '2,NaN,1'],
      [5, '4,-5,1'],
      [6, 'oops,1'],
      [8, '6,13'],
    ])
  })

  it('reads truncated gzip up to the last whole line and says so', async () => {
    const rows = Array.from({length: 5000}, (_, i) => `${i + 1},${(i * 1.37 + 1).toFixed(2)},1`)
    const packed = gzipSync(`timestamp,price,size\n${rows.join('\n')}\n`)
    const file = textFile('A.csv.gz', packed.subarray(0, packed.length / 2))
    const summary = await ingestFiles('csv', [file], {skipInvalid: true})
    expect(summary.defects).toEqual({truncatedFiles: 1})
    expect(summary.rows).toBeGreaterThan(1000)
    expect(summary.rows).toBeLessThan(5000)
  })
})

describe('--out -', () => {
  it('streams every file merged by time and leaves nothing behind', async () => {
    const trades = textFile('A.csv', 'timestamp,price,size\n1,10,1\n3,11,1\n')
    const quotes = textFile('A_q.csv', 'timestamp,bid,ask\n2,10,11\n')
    const {out: _, ...request} = ingestRequest('csv', [trades, quotes], {options: {symbol: 'A'}})
    const {lines, summary} = await ingestToNdjson(request)
    let text = ''
    for await (const batch of lines) text += batch
    expect(summary).toMatchObject({files: 2, rows: 3, out: '-'})
    expect(
      text
        .trim()
        .split('\n')
        .map(line => (JSON.parse(line) as {kind: string}).kind),
    ).toEqual(['trade', 'quote', 'trade'])
  })
})
