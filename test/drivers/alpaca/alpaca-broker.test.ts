import {describe, expect, test} from 'vitest'
import type {ApprovedOrder} from '../../../src/broker/broker.ts'
import type {ExecutionReport} from '../../../src/domain/order.ts'
import {lots, ticks, tsUs} from '../../../src/domain/units.ts'
import {type AlpacaBrokerOptions, createAlpacaBroker} from '../../../src/drivers/alpaca/alpaca-broker.ts'
import type {LocalExchangeOptions} from '../../../src/drivers/exchange-server/local-exchange.ts'
import {clock, localRig, scheduler, until} from './local-rig.ts'

const AAPL = 0
const BITCOIN = 2
let ids = 0

const brokerRig = async (
  options: Partial<AlpacaBrokerOptions> = {},
  exchange: Partial<LocalExchangeOptions> = {},
  through: typeof fetch | 'own' = fetch,
) => {
  const rig = await localRig(exchange)
  const client = await rig.connect(through === 'own' ? {} : {fetch: through})
  const reports: ExecutionReport[] = []
  const connection: boolean[] = []
  const broker = await createAlpacaBroker({
    client,
    instruments: rig.instruments,
    clock,
    scheduler,
    stream: {initialReconnectMs: 20},
    onConnection: connected => connection.push(connected),
    onBug: error => rig.bugs.push(error),
    ...options,
  })
  broker.onReport(report => reports.push(report))
  const order = (changes: Partial<ApprovedOrder> = {}): ApprovedOrder =>
    ({
      clientOrderId: `test-${++ids}`,
      strategy: 'test',
      instrument: AAPL,
      side: 'buy',
      type: 'market',
      timeInForce: 'day',
      lots: lots(10),
      decidedUs: tsUs(0),
      ...changes,
    }) as ApprovedOrder
  return {
    ...rig,
    broker,
    reports,
    connection,
    order,
    report: <K extends ExecutionReport['kind']>(kind: K, count = 1) =>
      until(
        `${kind} ${count}`,
        () => reports.filter(r => r.kind === kind)[count - 1] as Extract<ExecutionReport, {kind: K}>,
      ),
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]()
      await rig[Symbol.asyncDispose]()
      expect(rig.bugs).toEqual([])
    },
  }
}

/** Fails chosen requests after they have (or have not) reached the venue. */
const faultyFetch = (fault: (method: string, path: string) => 'lose-request' | 'lose-answer' | undefined) => {
  const sent: string[] = []
  const through: typeof fetch = async (input, init) => {
    const {pathname} = new URL(String(input))
    const kind = fault(String(init?.method), pathname)
    sent.push(`${init?.method} ${pathname}`)
    if (kind === 'lose-request') throw new TypeError('fetch failed')
    const response = await fetch(input, init)
    if (kind === 'lose-answer') throw new TypeError('fetch failed')
    return response
  }
  return {through, sent}
}

describe('the way of an order', () => {
  test('an order for the close is filled at the close alone, and refused after its cut-off', async () => {
    // From 13:00 New York, an hour a second.
    const exchange = {startUs: Date.parse('2025-06-02T17:00:00Z') * 1000, speed: 3_600}
    await using rig = await brokerRig({}, exchange)
    const [closing, opening, late] = [
      rig.order({timeInForce: 'cls'}),
      rig.order({timeInForce: 'opg'}),
      rig.order({timeInForce: 'cls'}),
    ]
    await rig.broker.submit(closing)
    await rig.broker.submit(opening)
    expect(await rig.report('rejected')).toMatchObject({
      clientOrderId: opening.clientOrderId,
      reason: expect.stringContaining('opg orders must be submitted after 7:00pm'),
    })
    const {fill} = await rig.report('fill')
    expect(fill).toMatchObject({clientOrderId: closing.clientOrderId, lots: 10})
    expect(new Date(fill.tsUs / 1000).toISOString().slice(0, 16)).toBe('2025-06-02T20:00')
    await rig.broker.submit(late)
    expect(await rig.report('rejected', 2)).toMatchObject({
      clientOrderId: late.clientOrderId,
      reason: expect.stringContaining('cls orders must be submitted after 7:00pm'),
    })
  })

  test('accepted, then filled, with ids that the activities repeat', async () => {
    await using rig = await brokerRig()
    const sent = rig.order()
    await rig.broker.submit(sent)
    const {fill, leavesLots} = await rig.report('fill')
    expect(rig.reports.map(({kind}) => kind)).toEqual(['accepted', 'fill'])
    expect(fill).toMatchObject({
      clientOrderId: sent.clientOrderId,
      instrument: AAPL,
      side: 'buy',
      lots: 10,
      priceTicks: 1_500_100,
      feeMicros: 0,
      liquidity: 'taker',
    })
    expect(leavesLots).toBe(0)
    const past = await rig.broker.fillsSince(tsUs(0))
    expect(past.map(report => report.fill)).toEqual([fill])
    expect(await rig.broker.positions()).toEqual([{symbol: 'AAPL', lots: 10}])
    expect(await rig.broker.account()).toMatchObject({cashMicros: 98_499_900_000})
    expect(await rig.broker.orderByClientId(sent.clientOrderId)).toMatchObject({
      status: 'filled',
      lots: 10,
      filledLots: 10,
    })
  })

  test('coin fees follow from who made and who took, and agree with the position', async () => {
    await using rig = await brokerRig()
    const coin = {instrument: BITCOIN, timeInForce: 'gtc' as const, lots: lots(10_000_000)}
    await rig.broker.submit(rig.order(coin))
    const taken = (await rig.report('fill')).fill
    expect(taken).toMatchObject({liquidity: 'taker', feeLots: 25_000, feeMicros: 0})
    await rig.broker.submit(rig.order({...coin, type: 'limit', limitTicks: ticks(995_000_000)}))
    await rig.report('accepted', 2)
    rig.market.quote('BTC/USD', 99_400, 99_450, 5)
    const made = (await rig.report('fill', 2)).fill
    expect(made).toMatchObject({liquidity: 'maker', feeLots: 15_000, priceTicks: 995_000_000})
    expect(await rig.broker.positions()).toEqual([{symbol: 'BTC/USD', lots: 20_000_000 - 40_000}])
  })

  test('a refusal is a report with the venue’s code, not an exception', async () => {
    await using rig = await brokerRig()
    const order = rig.order({lots: lots(1_000_000)})
    await rig.broker.submit(order)
    expect(await rig.report('rejected')).toMatchObject({
      clientOrderId: order.clientOrderId,
      code: '40310000',
      reason: 'insufficient buying power',
    })
  })

  test('cancel, cancel again, cancel what was never there, cancel all', async () => {
    await using rig = await brokerRig()
    const resting = () => rig.order({type: 'limit', limitTicks: ticks(1_000_000)})
    const first = resting()
    await rig.broker.submit(first)
    await rig.broker.cancel(first.clientOrderId)
    expect(await rig.report('cancelled')).toMatchObject({clientOrderId: first.clientOrderId})
    await rig.broker.cancel(first.clientOrderId)
    expect(await rig.report('cancelRejected')).toMatchObject({reason: 'order is already in "canceled" state'})
    await rig.broker.cancel('never-sent')
    await rig.report('cancelRejected', 2)
    for (let i = 0; i < 3; i++) await rig.broker.submit(resting())
    expect(await rig.broker.openOrders()).toHaveLength(3)
    expect(await rig.broker.cancelAll()).toBe(3)
    expect(await rig.broker.openOrders()).toEqual([])
  })
})

describe('when the wire fails', () => {
  test.each(['lose-request', 'lose-answer'] as const)(
    '%s: the order is sent once and its outcome is unclear',
    async kind => {
      const faults = faultyFetch((method, path) => (method === 'POST' && path === '/v2/orders' ? kind : undefined))
      await using rig = await brokerRig({}, {}, faults.through)
      const order = rig.order({type: 'limit', limitTicks: ticks(1_000_000)})
      await expect(rig.broker.submit(order)).rejects.toMatchObject({name: 'UnclearOutcome'})
      expect(faults.sent.filter(line => line === 'POST /v2/orders')).toHaveLength(1)
      const found = await rig.broker.orderByClientId(order.clientOrderId)
      expect(found?.status).toBe(kind === 'lose-answer' ? 'accepted' : undefined)
    },
  )

  test('a cancel that was answered keeps no timer of the time limit', async () => {
    await using rig = await brokerRig({}, {}, 'own')
    const timers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    const orders = Array.from({length: 8}, () => rig.order({type: 'limit', limitTicks: ticks(1_000_000)}))
    for (const order of orders) await rig.broker.submit(order)
    const before = timers()
    for (const {clientOrderId} of orders) await rig.broker.cancel(clientOrderId)
    await rig.report('cancelled', orders.length)
    expect(timers() - before).toBeLessThan(orders.length / 2)
  })

  test('a cancel whose answer was lost is sent again', async () => {
    let failures = 1
    const faults = faultyFetch(method => (method === 'DELETE' && failures-- > 0 ? 'lose-request' : undefined))
    await using rig = await brokerRig({}, {}, faults.through)
    const order = rig.order({type: 'limit', limitTicks: ticks(1_000_000)})
    await rig.broker.submit(order)
    await rig.broker.cancel(order.clientOrderId)
    await rig.report('cancelled')
  })

  test('what happened while the stream was down is told once, in order, after it is back', async () => {
    await using rig = await brokerRig()
    const filled = rig.order({type: 'limit', limitTicks: ticks(1_490_000)})
    const cancelled = rig.order({type: 'limit', limitTicks: ticks(1_000_000)})
    const untouched = rig.order({type: 'limit', limitTicks: ticks(990_000)})
    await rig.broker.submit(rig.order())
    for (const order of [filled, cancelled, untouched]) await rig.broker.submit(order)
    await rig.report('accepted', 4)
    rig.server.dropStreams()
    rig.market.quote('AAPL', 148.9, 148.95)
    const venueId = rig.server.exchange.desk.byClientId(cancelled.clientOrderId)?.id
    await fetch(`${rig.server.url}/v2/orders/${venueId}`, {
      method: 'DELETE',
      headers: {'APCA-API-KEY-ID': 'local', 'APCA-API-SECRET-KEY': 'local'},
    })
    await rig.report('fill', 2)
    await rig.report('cancelled')
    await until('the connection', () => rig.broker.isConnected())
    expect(rig.connection).toEqual([true, false, true])
    const fills = rig.reports.filter(report => report.kind === 'fill')
    expect(fills.map(({fill}) => fill.clientOrderId)[1]).toBe(filled.clientOrderId)
    expect(new Set(fills.map(({fill}) => fill.fillId)).size).toBe(2)
    await rig.broker.cancel(untouched.clientOrderId)
    await rig.report('cancelled', 2)
  })

  test('too many requests: queries wait, a cancel does not', async () => {
    await using rig = await brokerRig({requestsPerMinute: 30})
    const order = rig.order({type: 'limit', limitTicks: ticks(1_000_000)})
    await rig.broker.submit(order)
    await rig.report('accepted')
    const queries = Array.from({length: 40}, () => rig.broker.account().catch(() => undefined))
    await rig.broker.cancel(order.clientOrderId)
    await rig.report('cancelled')
    expect(rig.server.statistics().requests).toBeLessThan(30)
    await rig.broker[Symbol.asyncDispose]()
    await Promise.all(queries)
  })

  test('opening orders above the limit are refused with a rule before they are sent; the venue never says 429', async () => {
    const statuses: number[] = []
    await using rig = await brokerRig(
      {requestsPerMinute: 100},
      {requestsPerMinute: 100, onRequest: ({status}) => statuses.push(status)},
    )
    const orders = Array.from({length: 60}, () => rig.order({type: 'limit', limitTicks: ticks(1_000_000)}))
    await Promise.all(orders.map(order => rig.broker.submit(order)))
    const refused = rig.reports.filter(report => report.kind === 'rejected')
    expect(new Set(refused.map(({code}) => code))).toEqual(new Set(['request-budget']))
    expect(rig.server.statistics().orders + refused.length).toBe(60)
    expect(rig.server.statistics().orders).toBeGreaterThan(10)
    expect(rig.broker.requestUse?.()).toMatchObject({
      perMinute: 100,
      available: 0,
      denied: refused.length,
      throttled: 0,
    })
    // What closes a position, and what takes an order back, still goes.
    const closing = rig.order({reduceOnly: true, type: 'limit', limitTicks: ticks(1_000_000)})
    await rig.broker.submit(closing)
    await rig.broker.cancel(closing.clientOrderId)
    expect(statuses).not.toContain(429)
  })

  test('another user of the account has used its minute: the order is refused once, not sent again', async () => {
    const posts: number[] = []
    await using rig = await brokerRig(
      {requestsPerMinute: 200},
      {requestsPerMinute: 20, onRequest: ({method, status}) => method === 'POST' && posts.push(status)},
    )
    const other = {headers: {'APCA-API-KEY-ID': 'local', 'APCA-API-SECRET-KEY': 'local'}}
    while ((await fetch(`${rig.server.url}/v2/account`, other)).ok);
    await rig.broker.submit(rig.order({type: 'limit', limitTicks: ticks(1_000_000)}))
    await rig.broker.submit(rig.order({type: 'limit', limitTicks: ticks(1_000_000)}))
    expect(posts).toEqual([429])
    expect(rig.reports.map(report => report.kind === 'rejected' && report.code)).toEqual(['42910000', 'request-budget'])
    expect(rig.broker.requestUse?.()).toMatchObject({available: 0, throttled: 1})
  })

  test('an order that still waits for its turn when the broker is closed is refused, not sent', async () => {
    await using rig = await brokerRig({requestsPerMinute: 10})
    const orders = Array.from({length: 14}, () => rig.order({type: 'limit', limitTicks: ticks(1_000_000)}))
    const sent = orders.map(order => rig.broker.submit(order))
    await rig.broker[Symbol.asyncDispose]()
    await Promise.all(sent)
    const refused = rig.reports.filter(report => report.kind === 'rejected')
    expect(refused.map(({code}) => code)).toEqual(Array(refused.length).fill('not_sent'))
    expect(refused.length + rig.server.statistics().orders).toBe(orders.length)
    expect(refused.length).toBeGreaterThan(3)
  })

  test('wrong keys and a venue that is not there are refused with words', async () => {
    await using rig = await localRig()
    const {createAlpacaClient} = await import('../../../src/drivers/alpaca/client.ts')
    const wrong = await createAlpacaClient({
      kind: 'local',
      url: rig.server.url,
      streamUrl: rig.server.streamUrl,
      keyId: 'a',
      secret: 'b',
    })
    await expect(
      createAlpacaBroker({client: wrong, instruments: rig.instruments, clock, scheduler}),
    ).rejects.toMatchObject({code: 'ALPACA_KEYS_REFUSED', exitCode: 2})
    await expect(createAlpacaClient({kind: 'paper', keyId: '', secret: ''})).rejects.toMatchObject({
      code: 'ALPACA_KEYS_MISSING',
    })
    await expect(
      createAlpacaClient({
        kind: 'local',
        url: 'http://example.com',
        streamUrl: 'ws://127.0.0.1:1',
        keyId: 'a',
        secret: 'b',
      }),
    ).rejects.toMatchObject({code: 'EXCHANGE_NOT_LOCAL'})
  })
})

describe.each([
  ['its own transport', 'own' as const],
  ['another fetch', fetch],
])('an order made ready ahead, through %s', (_name, through) => {
  test('no byte of it reaches the venue before it may leave', async () => {
    const requests: string[] = []
    await using rig = await brokerRig({}, {onRequest: ({method}) => requests.push(method)}, through)
    let go = (_may: boolean): void => {}
    const sent = rig.broker.submitWhen?.(
      rig.order(),
      new Promise(resolve => {
        go = resolve
      }),
    )
    await new Promise(resolve => setTimeout(resolve, 60))
    expect(requests).not.toContain('POST')
    go(true)
    await sent
    expect(requests.filter(method => method === 'POST')).toHaveLength(1)
    expect((await rig.report('fill')).fill.lots).toBe(10)
  })
  test('one that may not leave is not sent and not reported; the next one is', async () => {
    const requests: string[] = []
    await using rig = await brokerRig({}, {onRequest: ({method}) => requests.push(method)}, through)
    await rig.broker.submitWhen?.(rig.order(), Promise.resolve(false))
    await expect(rig.broker.submitWhen?.(rig.order(), Promise.reject(new Error('disk full')))).rejects.toThrow(
      /^disk full$/,
    )
    expect([requests.filter(method => method === 'POST'), rig.reports]).toEqual([[], []])
    await rig.broker.submitWhen?.(rig.order(), Promise.resolve(true))
    await rig.report('fill')
    expect(requests.filter(method => method === 'POST')).toHaveLength(1)
  })
})
