import type {streaming, trading} from '@alpacahq/alpaca-trade-api'
import {describe, expect, test} from 'vitest'
import type {ApprovedOrder} from '../../../src/broker/broker.ts'
import {killAtVenue} from '../../../src/core/kill-flow.ts'
import {httpKillVenue} from '../../../src/core/kill-http.ts'
import type {ExecutionReport, OrderLeg} from '../../../src/domain/order.ts'
import {lots, ticks, tsUs} from '../../../src/domain/units.ts'
import {createAlpacaBroker} from '../../../src/drivers/alpaca/alpaca-broker.ts'
import {LegProgressBook, legFactsOf} from '../../../src/drivers/alpaca/multi-leg-wire.ts'
import type {WireOrder} from '../../../src/drivers/alpaca/order-wire.ts'
import {clock, localRig, scheduler, until} from './local-rig.ts'

const LOWER = 'AAPL250613C00150000'
const UPPER = 'AAPL250613C00160000'

const rigOf = async (through: typeof fetch = fetch) => {
  const rig = await localRig({}, {}, [LOWER, UPPER])
  rig.market.quote(LOWER, 4.9, 5.1, 20)
  rig.market.quote(UPPER, 1.9, 2.1, 20)
  await until('the contracts', () => rig.market.nextUs() === Infinity)
  const first = rig.instruments.indexOf(LOWER) as number
  const legs = (side: 'buy' | 'sell'): OrderLeg[] => [
    {instrument: first, side, ratio: 1},
    {instrument: first + 1, side: side === 'buy' ? 'sell' : 'buy', ratio: 1},
  ]
  let count = 0
  const spread = (changes: Partial<ApprovedOrder> = {}): ApprovedOrder =>
    ({
      clientOrderId: `spread-${++count}`,
      strategy: 'test',
      instrument: first,
      side: changes.legs?.[0]?.side ?? 'buy',
      type: changes.limitTicks === undefined ? 'market' : 'limit',
      timeInForce: 'day',
      lots: lots(2),
      legs: legs('buy'),
      decidedUs: tsUs(0),
      ...changes,
    }) as ApprovedOrder
  const connect = async () => {
    const reports: ExecutionReport[] = []
    const broker = await createAlpacaBroker({
      client: await rig.connect({fetch: through}),
      instruments: rig.instruments,
      clock,
      scheduler,
      stream: {initialReconnectMs: 20},
      onBug: error => rig.bugs.push(error),
    })
    broker.onReport(report => reports.push(report))
    const fills = () => reports.flatMap(report => (report.kind === 'fill' ? [report] : []))
    return {broker, reports, fills}
  }
  const node = await connect()
  return {
    ...rig,
    ...node,
    connect,
    spread,
    legs,
    first,
    [Symbol.asyncDispose]: async () => {
      await node.broker[Symbol.asyncDispose]()
      await rig[Symbol.asyncDispose]()
      expect(rig.bugs).toEqual([])
    },
  }
}

describe('an order of several legs through the broker', () => {
  test('is one order at the venue and a fill of each leg here, the units done with the last', async () => {
    await using rig = await rigOf()
    const order = rig.spread({limitTicks: ticks(32_500)})
    await rig.broker.submit(order)
    await until('both fills', () => rig.fills().length === 2)
    expect(rig.reports.map(({kind}) => kind)).toEqual(['accepted', 'fill', 'fill'])
    expect(
      rig
        .fills()
        .map(({fill, leavesLots}) => [fill.instrument - rig.first, fill.side, fill.lots, fill.priceTicks, leavesLots]),
    ).toEqual([
      [0, 'buy', 2, 51_000, 2],
      [1, 'sell', 2, 19_000, 0],
    ])
    const parent = rig.server.exchange.desk.byClientId(order.clientOrderId)
    expect(rig.fills().map(({fill, venueOrderId}) => [fill.clientOrderId, fill.fillId, venueOrderId])).toEqual(
      parent?.legs.map(leg => [order.clientOrderId, `${leg.id}#2`, parent.id]),
    )
    expect(await rig.broker.fillsSince(tsUs(0))).toEqual(rig.fills())
    expect(await rig.broker.positions()).toEqual([
      {symbol: LOWER, lots: 2},
      {symbol: UPPER, lots: -2},
    ])
    expect(await rig.broker.orderByClientId(order.clientOrderId)).toMatchObject({
      symbol: LOWER,
      side: 'buy',
      status: 'filled',
      lots: 2,
      filledLots: 2,
    })
  })

  test('says of each leg whether it opens or closes, from what is held', async () => {
    await using rig = await rigOf()
    await rig.broker.submit(rig.spread())
    await until('the opening', () => rig.fills().length === 2)
    await rig.broker.submit(rig.spread({legs: rig.legs('sell')}))
    await until('the closing', () => rig.fills().length === 4)
    expect(await rig.broker.positions()).toEqual([])
    const closing = rig.server.exchange.desk.byClientId('spread-2')
    expect(closing?.legs.map(({positionIntent}) => positionIntent)).toEqual(['sell_to_close', 'buy_to_close'])
  })

  test('rests as one open order, and is cancelled as one', async () => {
    await using rig = await rigOf()
    const order = rig.spread({limitTicks: ticks(30_000)})
    await rig.broker.submit(order)
    await until('its acceptance', () => rig.reports.length === 1)
    expect(await rig.broker.openOrders()).toMatchObject([
      {clientOrderId: order.clientOrderId, symbol: LOWER, lots: 2, limitTicks: 30_000, status: 'accepted'},
    ])
    await rig.broker.cancel(order.clientOrderId)
    await until('its end', () => rig.reports.length === 2)
    expect(rig.reports[1]).toMatchObject({kind: 'cancelled', clientOrderId: order.clientOrderId})
    expect(await rig.broker.openOrders()).toEqual([])
  })

  test('a price between two increments is asked for at the lower one', async () => {
    await using rig = await rigOf()
    await rig.broker.submit(rig.spread({limitTicks: ticks(32_149)}))
    await until('the fills', () => rig.fills().length === 2)
    expect(rig.server.exchange.desk.byClientId('spread-1')?.limitPrice).toBe(3_210_000_000_000_000_000n)
  })

  test('filled while the stream was down, it is told once, leg by leg', async () => {
    await using rig = await rigOf()
    const order = rig.spread({limitTicks: ticks(30_000)})
    await rig.broker.submit(order)
    await until('its acceptance', () => rig.reports.length === 1)
    rig.server.dropStreams()
    rig.market.quote(LOWER, 4.6, 4.8, 20)
    await until('both fills', () => rig.fills().length === 2)
    await until('the connection', () => rig.broker.isConnected())
    expect(rig.fills().map(({fill, leavesLots}) => [fill.priceTicks, leavesLots])).toEqual([
      [48_000, 2],
      [19_000, 0],
    ])
    expect(new Set(rig.fills().map(({fill}) => fill.fillId)).size).toBe(2)
  })

  test('a node that starts anew finds the legs’ fills under the ids that the first one saw', async () => {
    await using rig = await rigOf()
    await rig.broker.submit(rig.spread())
    await until('both fills', () => rig.fills().length === 2)
    const second = await rig.connect()
    expect((await second.broker.fillsSince(tsUs(0))).map(({fill}) => fill)).toEqual(rig.fills().map(({fill}) => fill))
    await second.broker[Symbol.asyncDispose]()
  })

  test('an answer that is lost leaves one order, which is found by its id', async () => {
    const posts: string[] = []
    const through: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (init?.method !== 'POST') return response
      posts.push(String(input))
      throw new TypeError('fetch failed')
    }
    await using rig = await rigOf(through)
    const order = rig.spread({limitTicks: ticks(30_000)})
    await expect(rig.broker.submit(order)).rejects.toMatchObject({name: 'UnclearOutcome'})
    expect(posts).toHaveLength(1)
    expect(await rig.broker.orderByClientId(order.clientOrderId)).toMatchObject({status: 'accepted', lots: 2})
  })

  test('when what is held cannot be asked for, the order is refused and never sent', async () => {
    const sent: string[] = []
    const through: typeof fetch = async (input, init) => {
      const {pathname} = new URL(String(input))
      sent.push(`${init?.method} ${pathname}`)
      if (pathname === '/v2/positions') return new Response('{"code":42210000,"message":"no"}', {status: 422})
      return fetch(input, init)
    }
    await using rig = await rigOf(through)
    await rig.broker.submit(rig.spread())
    expect(rig.reports).toMatchObject([{kind: 'rejected', code: 'not_sent'}])
    expect(sent).not.toContain('POST /v2/orders')
  })
})

describe('by the official SDK', () => {
  test('submitted, followed on the stream, listed with its legs, closed', async () => {
    await using rig = await rigOf()
    const {alpaca} = rig
    const updates: streaming.TradeUpdate[] = []
    const stream = rig.client.tradingStream()
    let listening = false
    stream.on('subscription', () => {
      listening = true
    })
    stream.onTradeUpdate(update => updates.push(update))
    stream.subscribeTradeUpdates()
    stream.connect()
    await until('the stream', () => listening)
    const leg = (symbol: string, positionIntent: trading.PositionIntent) => ({symbol, ratioQty: '1', positionIntent})
    const order = await alpaca.trading.orders.postOrder({
      postOrderRequest: {
        orderClass: 'mleg',
        type: 'limit',
        timeInForce: 'day',
        qty: '1',
        limitPrice: '3.2',
        clientOrderId: 'theirs',
        legs: [leg(LOWER, 'buy_to_open'), leg(UPPER, 'sell_to_open')],
      },
    })
    expect([order.orderClass, order.symbol, order.legs?.map(({symbol}) => symbol)]).toEqual([
      'mleg',
      '',
      [LOWER, UPPER],
    ])
    await until('the fill', () => updates.some(({event}) => event === 'fill'))
    expect(updates.map(({event}) => event)).toEqual(['pending_new', 'new', 'fill'])
    expect(updates.at(-1)).toMatchObject({price: '3.2', qty: '1'})
    expect(updates.at(-1)?.order.legs?.map(({filledAvgPrice}) => filledAvgPrice)).toEqual(['5.1', '1.9'])
    const [listed] = await alpaca.trading.orders.getAllOrders({status: 'closed', nested: true})
    expect([listed?.clientOrderId, listed?.legs?.length]).toEqual(['theirs', 2])
    const closed = await alpaca.trading.positions.deleteAllOpenPositions({})
    expect(closed.map(({symbol, status}) => [symbol, status])).toEqual([
      [UPPER, 200],
      [LOWER, 200],
    ])
    stream.disconnect()
  })
})

describe('gpi kill --flatten', () => {
  test('takes back what rests, then closes a spread, what was written first', async () => {
    await using rig = await rigOf()
    await rig.broker.submit(rig.spread())
    await until('the spread', () => rig.fills().length === 2)
    await rig.broker.submit(rig.spread({limitTicks: ticks(30_000)}))
    await until('a second that rests', () => rig.reports.filter(({kind}) => kind === 'accepted').length === 2)
    const venue = httpKillVenue({
      name: 'local',
      baseUrl: rig.server.url,
      keyId: 'local',
      secret: 'local',
      timeoutMs: 2_000,
    })
    const outcome = await killAtVenue(venue, {
      flatten: true,
      deadlineMs: performance.now() + 20_000,
      nowMs: () => performance.now(),
      sleep: ms => new Promise(resolve => scheduler.after(ms * 1_000, resolve)),
    })
    expect(outcome).toMatchObject({state: 'confirmed', openOrders: 0, positions: []})
    const closing = rig.server.exchange.activities.filter(({type}) => type === 'FILL').slice(2)
    expect(closing.map(({json}) => [json['symbol'], json['side']])).toEqual([
      [UPPER, 'buy'],
      [LOWER, 'sell'],
    ])
    expect(rig.server.exchange.desk.byClientId('spread-2')?.status).toBe('canceled')
  })
})

describe('executions told apart from what the stream says of the whole', () => {
  const parentOf = (filled: readonly (readonly [string, string | undefined])[]): WireOrder =>
    ({
      id: 'parent',
      clientOrderId: 'mine',
      orderClass: 'mleg',
      qty: '10',
      legs: filled.map(([filledQty, filledAvgPrice], k) => ({
        id: `leg-${k}`,
        symbol: [LOWER, UPPER][k],
        qty: k === 0 ? '10' : '20',
        side: k === 0 ? 'buy' : 'sell',
        filledQty,
        filledAvgPrice,
      })),
    }) as unknown as WireOrder
  const take = (book: LegProgressBook, order: WireOrder, units: string) => {
    const found = book.executions(order, legFactsOf(order), units)
    for (const execution of found ?? []) book.note(execution)
    return found?.map(({qty, price, cumulative}) => [qty, price, cumulative])
  }

  test('each message adds its own units at its own prices', () => {
    const book = new LegProgressBook()
    expect(
      take(
        book,
        parentOf([
          ['4', '5'],
          ['8', '2'],
        ]),
        '4',
      ),
    ).toEqual([
      ['4', '5', '4'],
      ['8', '2', '8'],
    ])
    // The averages are rounded to 16 decimals: 32 / 6 and 23 / 12.
    const next = parentOf([
      ['6', '5.3333333333333333'],
      ['12', '1.9166666666666667'],
    ])
    const [[qty, price] = [], [legQty, legPrice] = []] = take(book, next, '2') ?? []
    expect([qty, Number(price), legQty, Number(legPrice)]).toEqual(['2', 6, '4', 1.75])
    expect(book.isCurrent(next)).toBe(true)
    expect(take(book, next, '2')).toEqual([])
  })
  test('a message that follows one that was missed cannot be told apart', () => {
    const book = new LegProgressBook()
    const order = parentOf([
      ['6', '5'],
      ['12', '2'],
    ])
    expect(take(book, order, '2')).toBeUndefined()
    expect(book.isCurrent(order)).toBe(false)
    const [first, second] = legFactsOf(order)
    if (first === undefined || second === undefined) throw new Error('two legs')
    for (const [qty, cumulative] of [
      ['4', '4'],
      ['2', '6'],
    ] as const)
      book.note({facts: first, qty, price: '5', cumulative})
    book.note({facts: second, qty: '12', price: '2', cumulative: '12'})
    expect(book.isCurrent(order)).toBe(true)
    expect(take(book, order, '2')).toEqual([])
  })
})
