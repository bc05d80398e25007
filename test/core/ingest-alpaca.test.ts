import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import path from 'node:path'
import {describe, expect, it, onTestFinished} from 'vitest'
import type {AlpacaRequest} from '../../src/core/ingest-alpaca.ts'
import {parseDay} from '../../src/domain/calendar.ts'
import type {Clock, Scheduler} from '../../src/domain/time.ts'
import {type TsUs, US_PER_DAY, US_PER_MINUTE} from '../../src/domain/units.ts'
import {parseStampUs} from '../../src/drivers/alpaca/history.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, recordsOf, temporaryFolder} from '../support/ingest.ts'

const day = (text: string): number => parseDay(text) * US_PER_DAY

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** A data host on loopback that answers as it is told, and keeps what it was asked. */
const dataHost = async (answer: (url: URL, nth: number) => Answer) => {
  const asked: URL[] = []
  const keys: (string | undefined)[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    asked.push(url)
    keys.push(request.headers['apca-api-key-id'] as string | undefined)
    const {status = 200, headers = {}, body} = answer(url, asked.length)
    response.writeHead(status, {'content-type': 'application/json', ...headers})
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return {asked, keys, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`}
}

/** A clock that waiting moves, so that no test really waits. */
const fakeTime = (startUs: number) => {
  let nowUs = startUs
  const waits: number[] = []
  const clock: Clock = {nowUs: () => nowUs as TsUs}
  const scheduler: Scheduler = {
    after: (delayUs, run) => {
      waits.push(delayUs)
      nowUs += delayUs
      queueMicrotask(run)
      return () => {}
    },
  }
  return {clock, scheduler, waits}
}

const request = (baseUrl: string, more: Partial<AlpacaRequest> = {}): AlpacaRequest => ({
  kind: 'bars',
  symbols: ['AAPL'],
  adjustment: 'raw',
  baseUrl,
  keyId: 'key',
  secret: 'secret',
  ...fakeTime(day('2024-03-01')),
  ...more,
})
const range = {fromUs: day('2024-01-02'), toUs: day('2024-01-04')}
const bar = (t: string, c: number) => ({t, o: c, h: c + 1, l: c - 1, c, v: 100, n: 3, vw: c})

describe('Alpaca history', () => {
  it('follows page tokens to the end, stamping bars at their close', async () => {
    const host = await dataHost(url =>
      url.searchParams.get('page_token') === null
        ? {body: {bars: {AAPL: [bar('2024-01-02T14:30:00Z', 10)]}, next_page_token: 'QUFQTHxNfDIwMjQ='}}
        : {body: {bars: {AAPL: [bar('2024-01-02T14:31:00Z', 11)]}, next_page_token: null}},
    )
    const out = path.join(temporaryFolder(), 'data')
    const summary = await ingestFiles('alpaca', [], {out, options: range, alpaca: request(host.baseUrl)})
    expect(summary).toMatchObject({
      source: 'alpaca',
      files: 1,
      rows: 2,
      from: '2024-01-02T14:31:00.000Z',
      to: '2024-01-02T14:32:00.000Z',
    })
    expect(host.keys).toEqual(['key', 'key'])
    expect(host.asked.map(url => url.pathname)).toEqual(['/v2/stocks/bars', '/v2/stocks/bars'])
    expect(Object.fromEntries(host.asked[1]?.searchParams ?? [])).toMatchObject({
      symbols: 'AAPL',
      timeframe: '1Min',
      limit: '10000',
      adjustment: 'raw',
      start: '2024-01-02T00:00:00.000Z',
      end: '2024-01-03T23:59:59.999Z',
      page_token: 'QUFQTHxNfDIwMjQ=',
    })
  })

  it('closes daily bars with the session, from their stamp at midnight in New York', async () => {
    const host = await dataHost(() => ({
      body: {bars: {AAPL: [bar('2024-07-02T04:00:00Z', 10), bar('2024-07-03T04:00:00Z', 11)]}, next_page_token: null},
    }))
    const out = path.join(temporaryFolder(), 'data')
    const options = {fromUs: day('2024-07-01'), toUs: day('2024-07-05'), periodUs: US_PER_DAY}
    await ingestFiles('alpaca', [], {out, options, alpaca: request(host.baseUrl, fakeTime(day('2024-08-01')))})
    expect((await recordsOf(out)).map(({tsUs}) => new Date(tsUs / 1000).toISOString())).toEqual([
      '2024-07-02T20:00:00.000Z',
      '2024-07-03T17:00:00.000Z',
    ])
  })

  it('reads quotes in round lots before November 2025 and in shares after', async () => {
    const quote = (t: string) => ({t, bx: 'V', bp: 10, bs: 2, ax: 'V', ap: 10.01, as: 3, c: ['R'], z: 'C'})
    const host = await dataHost(url => {
      const from = url.searchParams.get('start')?.slice(0, 10) ?? ''
      return {body: {quotes: {AAPL: [quote(`${from}T15:00:00.123456789Z`)]}, next_page_token: null}}
    })
    const out = path.join(temporaryFolder(), 'data')
    const options = {fromUs: day('2025-10-31'), toUs: day('2025-11-04')}
    await ingestFiles('alpaca', [], {
      out,
      options,
      alpaca: request(host.baseUrl, {kind: 'quotes', ...fakeTime(day('2026-01-01'))}),
    })
    // The weekend in between is not asked for.
    expect(host.asked).toHaveLength(2)
    expect(
      (await recordsOf(out)).map(record =>
        record.kind === 'quote' ? [record.tsUs % 1e6, record.bidSize, record.askSize] : [],
      ),
    ).toEqual([
      [123456, 200, 300],
      [123456, 2, 3],
    ])
  })

  it('reads coin trades without keys, with the taker as aggressor, and leaves out what was withdrawn', async () => {
    const host = await dataHost(() => ({
      body: {
        trades: {
          'BTC/USD': [
            {t: '2024-01-02T00:00:01Z', p: 42000.5, s: 0.25, i: 1, tks: 'B'},
            {t: '2024-01-02T00:00:02Z', p: 42000, s: 0.5, i: 2, tks: 'S'},
            {t: '2024-01-02T00:00:03Z', p: 1, s: 1, i: 3, u: 'canceled'},
          ],
        },
        next_page_token: null,
      },
    }))
    const out = path.join(temporaryFolder(), 'data')
    const {keyId: _, secret: __, ...open} = request(host.baseUrl, {kind: 'trades', symbols: ['BTC/USD']})
    const summary = await ingestFiles('alpaca', [], {
      out,
      options: {fromUs: day('2024-01-02'), toUs: day('2024-01-03')},
      alpaca: open,
    })
    expect(summary.defects).toEqual({withdrawnTrades: 1})
    expect(host.asked[0]?.pathname).toBe('/v1beta3/crypto/us/trades')
    expect(host.keys).toEqual([undefined])
    expect(
      (await recordsOf(out)).map(record =>
        record.kind === 'trade' ? [record.price, record.size, record.aggressor] : [],
      ),
    ).toEqual([
      [42000.5, 0.25, 'buy'],
      [42000, 0.5, 'sell'],
    ])
  })

  it('waits out a rate limit until its reset, and retries what may pass', async () => {
    const time = fakeTime(day('2024-03-01'))
    const reset = String(Math.floor(time.clock.nowUs() / 1e6) + 17)
    const answers: Answer[] = [
      {status: 429, headers: {'x-ratelimit-reset': reset}, body: {message: 'too many requests.'}},
      {status: 500, body: {code: 50010000, message: 'internal server error occurred'}},
      {
        headers: {'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset},
        body: {bars: {AAPL: [bar('2024-01-02T14:30:00Z', 10)]}, next_page_token: null},
      },
    ]
    const host = await dataHost((_, nth) => answers[nth - 1] as Answer)
    const summary = await ingestFiles('alpaca', [], {options: range, alpaca: request(host.baseUrl, time)})
    expect(summary.rows).toBe(1)
    expect(time.waits[0]).toBe(17e6)
    expect(time.waits[1]).toBe(2e6)
  })

  it('goes on where a failed run was, asking for nothing twice', async () => {
    const out = path.join(temporaryFolder(), 'data')
    const options = {fromUs: day('2024-01-01'), toUs: day('2024-04-01')}
    const at = (url: URL) => url.searchParams.get('start')?.slice(0, 7) ?? ''
    const page = (url: URL): Answer => ({
      body: {bars: {AAPL: [bar(`${at(url)}-10T15:00:00Z`, 10)]}, next_page_token: null},
    })
    const failing = await dataHost(url =>
      at(url) === '2024-03' ? {status: 403, body: {message: 'forbidden.'}} : page(url),
    )
    const later = fakeTime(day('2024-06-01'))
    await expect(
      ingestFiles('alpaca', [], {out, options, alpaca: request(failing.baseUrl, later)}),
    ).rejects.toMatchObject({code: 'ALPACA_REFUSED', exitCode: 2})
    const host = await dataHost(page)
    const summary = await ingestFiles('alpaca', [], {out, options, alpaca: request(host.baseUrl, later)})
    expect(summary).toMatchObject({files: 3, unchanged: 2, rows: 3})
    expect(host.asked.map(at)).toEqual(['2024-03'])
  })

  it('fetches a month that still grows anew, in place of the old', async () => {
    const out = path.join(temporaryFolder(), 'data')
    const host = await dataHost((_, nth) => ({
      body: {
        bars: {AAPL: Array.from({length: nth}, (__, i) => bar(`2024-02-0${i + 1}T15:00:00Z`, 10))},
        next_page_token: null,
      },
    }))
    const options = {fromUs: day('2024-02-01')}
    await ingestFiles('alpaca', [], {out, options, alpaca: request(host.baseUrl, fakeTime(day('2024-02-05')))})
    await ingestFiles('alpaca', [], {out, options, alpaca: request(host.baseUrl, fakeTime(day('2024-02-06')))})
    expect((await openCatalog(out)).rows).toBe(2)
  })

  it.each([
    ['no keys', {keyId: ''}, 'MISSING_KEYS'],
    ['no symbols', {symbols: []}, 'NO_SYMBOLS'],
  ])('says so when there are %s', async (_, more, code) => {
    await expect(
      ingestFiles('alpaca', [], {options: range, alpaca: request('http://127.0.0.1:1', more)}),
    ).rejects.toMatchObject({code, exitCode: 2})
  })

  it('names a host that does not answer', async () => {
    await expect(
      ingestFiles('alpaca', [], {options: range, alpaca: request('http://127.0.0.1:1')}),
    ).rejects.toMatchObject({code: 'ALPACA_UNREACHABLE', exitCode: 5})
  })

  it('tells a wrong key, even from a gateway that speaks HTML', async () => {
    const host = await dataHost(() => ({status: 401, body: '<html>401</html>'}))
    await expect(ingestFiles('alpaca', [], {options: range, alpaca: request(host.baseUrl)})).rejects.toMatchObject({
      code: 'ALPACA_REFUSED',
      hints: [expect.stringContaining('APCA_API_KEY_ID')],
    })
  })

  it('asks for bars only in periods the wire has', async () => {
    const options = {...range, periodUs: 90 * US_PER_MINUTE}
    await expect(ingestFiles('alpaca', [], {options, alpaca: request('http://127.0.0.1:1')})).rejects.toMatchObject({
      code: 'BAD_PERIOD',
    })
  })
})

describe('stamps on the wire', () => {
  it.each([
    ['2022-01-03T09:00:00.028160898Z', Date.UTC(2022, 0, 3, 9) * 1000 + 28160],
    ['2021-07-08T14:50:51.3729Z', Date.UTC(2021, 6, 8, 14, 50, 51) * 1000 + 372900],
    ['2021-07-08T14:50:51Z', Date.UTC(2021, 6, 8, 14, 50, 51) * 1000],
  ])('%s', (text, expected) => {
    expect(parseStampUs(text)).toBe(expected)
  })
})
