import fc from 'fast-check'
import {inverse, Matrix} from 'ml-matrix'
import {describe, expect, test} from 'vitest'
import {instrumentOf, notionalMicros} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {glftQuote} from '../../src/strategies/market-making/glft.ts'
import {TradeIntensity} from '../../src/strategies/market-making/intensity.ts'
import {Markouts} from '../../src/strategies/market-making/markouts.ts'
import {MicroPrice, orderFlowImbalance} from '../../src/strategies/market-making/micro-price.ts'
import {ProfitSplit} from '../../src/strategies/market-making/profit-split.ts'
import {RequestAllowance} from '../../src/strategies/market-making/request-allowance.ts'
import {SignalWeights} from '../../src/strategies/market-making/signal-weights.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import type {ModelOpinion, StrategyServices} from '../../src/strategies/services.ts'
import {quote, rehearse, START, syntheticBook, table, trade} from './fixture.ts'

describe('GLFT quotes', () => {
  test('the worked numbers of hftbacktest’s notebook', () => {
    // The notebook prints its volatility as 10.69; this is the same figure at the digits its results imply.
    const {halfSpread, skew} = glftQuote({
      arrival: 2.986162360812285,
      decay: 0.04235741115084049,
      riskAversion: 0.05,
      volatility: 10.69,
    })
    expect(skew).toBeCloseTo(9.76326865029227, 10)
    expect(halfSpread).toBeCloseTo(20.47208533844371, 10)
  })
  test('vanishing risk aversion quotes 1/k without skew', () => {
    const {halfSpread, skew} = glftQuote({arrival: 1, decay: 0.5, riskAversion: 1e-9, volatility: 0.1})
    expect(halfSpread).toBeCloseTo(2, 3)
    expect(skew).toBeLessThan(1e-4)
  })
})

describe('learning', () => {
  test('intensity recovers A and k of exponential depths', () => {
    const rng = createRng(2)
    const intensity = new TradeIntensity(3600e6)
    let now = START
    for (let n = 0; n < 20_000; n++) {
      now += 1e6 * rng.exponential() * 0.5
      intensity.onTrade(rng.exponential() / 0.25, 4, now)
    }
    const fit = intensity.fit(now)
    expect(fit?.decay).toBeCloseTo(0.25, 1)
    expect(fit?.arrival).toBeGreaterThan(1.6)
    expect(fit?.arrival).toBeLessThan(2.4)
  })
  test('order-flow imbalance of each kind of quote change', () => {
    const ofi = (b: number, qb: number, a: number, qa: number) => orderFlowImbalance(b, qb, a, qa, 10, 5, 12, 7)
    expect(ofi(10, 8, 12, 7)).toBe(3)
    expect(ofi(11, 2, 12, 7)).toBe(2)
    expect(ofi(9, 9, 12, 7)).toBe(-5)
    expect(ofi(10, 5, 12, 10)).toBe(-3)
    expect(ofi(10, 5, 13, 4)).toBe(7)
  })
  test('micro-price leans to where the mid goes, symmetrically', () => {
    const rng = createRng(4)
    const micro = new MicroPrice(500)
    let mid = 1000
    for (let n = 0; n < 4000; n++) {
      const imbalance = rng.uniform()
      micro.update(imbalance, 2, 2, mid)
      if (rng.uniform() < 0.5) mid += rng.uniform() < imbalance ? 1 : -1
    }
    const at = (i: number) => micro.adjustment(i, 2, 2)
    expect(micro.isFitted).toBe(true)
    expect(at(0.95)).toBeGreaterThan(at(0.65))
    expect(at(0.65)).toBeGreaterThan(0)
    expect(at(0.05)).toBeCloseTo(-at(0.95), 9)
  })
  test('micro-price is the sum of Stoikov’s series, worked with a matrix library', () => {
    const [imbalances, spreads, updates] = [10, 4, 800]
    const n = imbalances * spreads
    const [stay, moved, drift] = [Matrix.zeros(n, n), Matrix.zeros(n, n), Matrix.zeros(n, 1)]
    const visits = new Array<number>(n).fill(1)
    const rng = createRng(5)
    const micro = new MicroPrice(updates)
    let before: {i: number; s: number; mid: number} | undefined
    let mid = 1000
    for (let k = 0; k < updates; k++) {
      const [i, s] = [Math.floor(imbalances * rng.uniform()), 1 + Math.floor(3 * rng.uniform())]
      micro.update((i + 0.5) / imbalances, s, 2, mid)
      if (before !== undefined) {
        for (const [from, to, move] of [
          [before.i, i, mid - before.mid],
          [imbalances - 1 - before.i, imbalances - 1 - i, before.mid - mid],
        ] as const) {
          const [a, b] = [from * spreads + before.s, to * spreads + s]
          visits[a]!++
          const counts = move === 0 ? stay : moved
          counts.set(a, b, counts.get(a, b) + 1)
          drift.set(a, 0, drift.get(a, 0) + move)
        }
      }
      before = {i, s, mid}
      if (rng.uniform() < 0.5) mid += rng.uniform() < (i + 0.5) / imbalances ? 1 : -1
    }
    const leave = Matrix.diag(visits.map(count => 1 / count))
    const resolvent = inverse(Matrix.eye(n).sub(leave.mmul(stay)))
    let term = resolvent.mmul(leave).mmul(drift)
    const sum = term.clone()
    for (let k = 0; k < 6; k++) {
      term = resolvent.mmul(leave).mmul(moved).mmul(term)
      sum.add(term)
    }
    for (let i = 0; i < imbalances; i++)
      for (const s of [1, 2, 3])
        expect(micro.adjustment((i + 0.5) / imbalances, s, 2)).toBeCloseTo(sum.get(i * spreads + s, 0), 12)
  })
  test('signal weights find the flow’s worth and that the micro-price had none', () => {
    const rng = createRng(8)
    const weights = new SignalWeights()
    for (let n = 0; n < 5000; n++) {
      const [micro, flow] = [0.3 * rng.normal(), rng.normal()]
      weights.learn(micro, flow, 0, 0.2 * flow + 0.5 * rng.normal(), 0.25)
    }
    expect(weights.flow).toBeCloseTo(0.2, 1)
    expect(Math.abs(weights.micro)).toBeLessThan(0.15)
  })
})

describe('Markouts', () => {
  test('values each fill once, after its time, and widens while fills lose', () => {
    const markouts = new Markouts(1_000)
    for (let k = 0; k < 20; k++) {
      markouts.onFill(1, 10_000, 10_001, 0.5, k * 10_000)
      markouts.settle(10_001, k * 10_000 + 999, 50)
      expect(markouts.count).toBe(k)
      markouts.settle(9_990, k * 10_000 + 1_000, 50)
    }
    // Each fill lost 10 bp against its price and 0.5 bp of fee; the mid moved 11 ticks against it.
    expect(markouts.edgeBps).toBeCloseTo(-10.5, 9)
    expect(markouts.meanBps).toBeCloseTo((-11 / 10_001) * 1e4, 9)
    expect(markouts.widenBps).toBeCloseTo(10.5, 9)
    for (let k = 0; k < 200; k++) {
      markouts.onFill(-1, 10_000, 10_000, 0, 1e6 + k * 10_000)
      markouts.settle(9_990, 1e6 + k * 10_000 + 1_000, 50)
    }
    expect(markouts.widenBps).toBe(0)
  })
  test('never widens beyond its bound', () => {
    const markouts = new Markouts(1)
    for (let k = 0; k < 500; k++) {
      markouts.onFill(1, 10_000, 10_000, 0, k * 10)
      markouts.settle(9_900, k * 10 + 1, 7)
    }
    expect(markouts.widenBps).toBe(7)
  })
})

describe('ProfitSplit', () => {
  const coin = instrumentOf('BTC/USD')
  const fillsOf = fc.array(
    fc.record({
      lots: fc.integer({min: 1, max: 5_000_000}),
      isBuy: fc.boolean(),
      price: fc.integer({min: 600_000_000, max: 610_000_000}),
      away: fc.integer({min: -30_000, max: 30_000}),
      fee: fc.integer({min: -500_000, max: 500_000}),
      coinFee: fc.integer({min: 0, max: 1000}),
    }),
    {minLength: 1, maxLength: 60},
  )
  test('its four parts add up to cash plus marked position, to the micro, with half ticks and fees in coin', () => {
    fc.assert(
      fc.property(fillsOf, fc.integer({min: 1_200_000_000, max: 1_220_000_000}), (fills, twiceMark) => {
        const split = new ProfitSplit(coin)
        let [cash, held] = [0, 0]
        for (const {lots, isBuy, price, away, fee, coinFee} of fills) {
          const signed = isBuy ? lots : -lots
          const feeLots = isBuy ? coinFee : 0
          split.onFill(signed, price, fee, feeLots, price + away / 2)
          cash -= (isBuy ? 1 : -1) * notionalMicros(coin, price, lots) + fee
          held += signed - feeLots
        }
        const mark = twiceMark / 2
        const value = held === 0 ? 0 : Math.round(held * mark * 10 ** (6 - coin.priceDecimals - coin.sizeDecimals))
        expect(split.netMicros(mark)).toBe(cash + value)
        expect(split.lots).toBe(held)
      }),
    )
  })
  test('inventory is what a running mark to market says', () => {
    const rng = createRng(3)
    const split = new ProfitSplit(instrumentOf('SPY'))
    let [inventory, lots, mid] = [0, 0, 1_000_000]
    for (let n = 0; n < 500; n++) {
      const move = 100 * (rng.below(21) - 10)
      mid += move
      inventory += lots * move * 100
      const signed = rng.below(11) - 5
      if (signed === 0) continue
      split.onFill(signed, mid - Math.sign(signed) * 100 * rng.below(10), rng.below(200) - 100, 0, mid)
      lots += signed
    }
    expect(split.inventoryMicros(mid)).toBe(inventory)
  })
})

describe('RequestAllowance', () => {
  test('never sends more than its burst and its rate, and pays forced requests back', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 20, max: 1000}),
        fc.array(fc.record({waitMs: fc.nat(2000), cost: fc.integer({min: 0, max: 4}), isForced: fc.boolean()}), {
          maxLength: 200,
        }),
        (perMinute, asks) => {
          const allowance = new RequestAllowance(perMinute)
          let nowUs = 0
          let [voluntary, forced] = [0, 0]
          allowance.spend(0, 0)
          for (const {waitMs, cost, isForced} of asks) {
            nowUs += 1000 * waitMs
            if (isForced) {
              allowance.force(Math.min(cost, 2))
              forced += Math.min(cost, 2)
            } else if (allowance.spend(cost, nowUs)) voluntary += cost
            expect(allowance.bandFactor(nowUs)).toBeGreaterThanOrEqual(1)
            expect(allowance.bandFactor(nowUs)).toBeLessThanOrEqual(4)
          }
          const most = Math.max(4, perMinute / 4) + (nowUs / 60e6) * perMinute
          expect(voluntary).toBeLessThanOrEqual(most + 1e-6)
          expect(allowance.spent).toBe(voluntary + forced)
        },
      ),
    )
  })
  test('without a limit nothing waits and bands are as asked', () => {
    const allowance = new RequestAllowance(Number.POSITIVE_INFINITY)
    for (let k = 0; k < 1e4; k++) expect(allowance.spend(4, 0)).toBe(true)
    expect([allowance.spent, allowance.deferred, allowance.bandFactor(1)]).toEqual([40_000, 0, 1])
  })
})

const NO_OPINION: ModelOpinion = {
  direction: 0,
  confidence: 0,
  flatProbability: 1,
  strength: 0,
  holdingPeriodUs: 0,
  size: 0,
  moveBps: 0,
  edgeBps: 0,
}

describe('market-making', () => {
  const rows = syntheticBook(createRng(5), {seconds: 900})
  const run = (params = {}, options = {}) => {
    const strategy = createStrategy('market-making', params)
    return {...rehearse(strategy, table('SPY'), rows, options), report: strategy.report?.() ?? {}}
  }

  test('quotes both sides, never through the touch, on the venue’s increment', () => {
    const {quotes} = run()
    expect(quotes.length).toBeGreaterThan(50)
    const last = new Map<number, (typeof rows)[number]>()
    let k = 0
    for (const q of quotes) {
      while (k < rows.length && (rows[k]?.tsUs ?? 0) <= q.tsUs) {
        const row = rows[k++]
        if (row?.kind === 0) last.set(0, row)
      }
      const [bid = 0, ask = 0] = last.get(0)?.values ?? []
      if (q.bidLots > 0) expect(q.bid).toBeLessThan(ask)
      if (q.askLots > 0) expect(q.ask).toBeGreaterThan(bid)
      expect([q.bid % 100, q.ask % 100]).toEqual([0, 0])
    }
  })
  test('trades, keeps inventory within its limit, and its profit split matches the venue', () => {
    const {fills, positions, profitMicros, report} = run()
    expect(fills.length).toBeGreaterThan(20)
    const limitLots = (0.05 * 100_000) / 100 + 10
    let held = 0
    for (const f of fills) {
      held += f.side === 'buy' ? f.lots : -f.lots
      expect(Math.abs(held)).toBeLessThanOrEqual(limitLots)
    }
    expect(positions[0]).toBe(held)
    expect(report['fills']).toBe(fills.length)
    expect(Math.abs((report['netMicros'] as number) - profitMicros)).toBeLessThan(10)
  })
  test('quotes one lot where a quote’s share of capital is less than a lot, and none where the limit is', () => {
    expect(run({}, {capitalMicros: 5_000e6}).quotes[0]?.bidLots).toBe(1)
    expect(run({}, {capitalMicros: 1_000e6}).quotes).toEqual([])
  })
  test('quotes no coin bid below what the venue takes, and none where the limit is below it', () => {
    const coins = table('BTC/USD')
    const {priceDecimals, sizeDecimals} = coins.at(0)
    const quotesAt = (dollars: number) =>
      rehearse(createStrategy('market-making'), coins, rows, {capitalMicros: dollars * 1e6}).quotes
    const worth = quotesAt(300).map(q => (q.bid * q.bidLots) / 10 ** (priceDecimals + sizeDecimals))
    expect(Math.max(...worth)).toBeGreaterThan(0)
    for (const dollars of worth.filter(value => value > 0)) expect(dollars).toBeGreaterThanOrEqual(10)
    expect(quotesAt(100)).toEqual([])
  })
  test('works off what it holds, and rests nothing else, when its capital is taken away', () => {
    const strategy = createStrategy('market-making')
    let cutUs = Number.POSITIVE_INFINITY
    let held = 0
    const {quotes, fills} = rehearse(
      {
        ...strategy,
        start: c => strategy.start?.(c),
        onEvent: (c, chunk, row) => {
          held = c.positionLots(0)
          if (held >= 10) cutUs = Math.min(cutUs, c.nowUs)
          strategy.onEvent({...c, nowUs: c.nowUs, capitalMicros: c.nowUs < cutUs ? 100_000e6 : 1_000e6}, chunk, row)
        },
        onFill: (c, fill) => strategy.onFill?.(c, fill),
      },
      table('SPY'),
      rows,
    )
    expect(fills.filter(f => f.tsUs > cutUs).length).toBeGreaterThan(0)
    // The first look after the cut replaces what rested from before.
    const after = quotes.filter(q => q.tsUs > cutUs + 2_000_000)
    expect(after.length).toBeGreaterThan(0)
    for (const q of after) {
      expect(q.bidLots).toBe(0)
      expect(q.askLots).toBeLessThanOrEqual(1)
    }
    expect(held).toBe(0)
  })
  test('learns the venue’s fee and then quotes at least that far away', () => {
    const free = run()
    const dear = run({}, {feeBps: 20})
    expect(dear.fills.length).toBeLessThan(free.fills.length / 4)
  })
  test('inventory moves both quotes against it', () => {
    const distance = (held: number): number => {
      const strategy = createStrategy('market-making', {
        quoteFraction: 0.002,
        inventoryFraction: 0.5,
        hysteresisIncrements: 0,
      })
      const instruments = table('SPY')
      const result = rehearse(
        {
          ...strategy,
          start: c => strategy.start?.(c),
          onEvent: (c, chunk, row) => strategy.onEvent({...c, nowUs: c.nowUs, positionLots: () => held}, chunk, row),
        },
        instruments,
        rows,
      )
      const q = result.quotes.filter(x => x.bidLots > 0 && x.askLots > 0)
      return q.reduce((sum, x) => sum + (x.bid + x.ask) / 2, 0) / q.length
    }
    expect(distance(40)).toBeLessThan(distance(0))
    expect(distance(-40)).toBeGreaterThan(distance(0))
  })
  test('never sells a spot coin it does not have', () => {
    const strategy = createStrategy('market-making')
    const {fills} = rehearse(
      strategy,
      table('BTC/USD'),
      rows.map(r => ({...r, values: r.values.map((v, c) => (c < 2 && r.kind === 0 ? v * 100 : v))})),
    )
    let held = 0
    for (const f of fills) {
      held += f.side === 'buy' ? f.lots : -f.lots
      expect(held).toBeGreaterThanOrEqual(0)
    }
  })
  test('pulls both quotes in a burst of volatility', () => {
    const calm = syntheticBook(createRng(6), {seconds: 300})
    const end = calm.at(-1)?.tsUs ?? START
    const burst = Array.from({length: 60}, (_, k) =>
      quote(end + (k + 1) * 200_000, 0, 1_000_000 + 4_000 * k, 1_000_200 + 4_000 * k),
    )
    const strategy = createStrategy('market-making')
    const {quotes} = rehearse(strategy, table('SPY'), [...calm, ...burst])
    expect(strategy.report?.()['pauses']).toBeGreaterThan(0)
    expect(quotes.at(-1)).toMatchObject({bidLots: 0, askLots: 0})
  })
  test('pulls the ask when buyers alone are hitting', () => {
    const calm = syntheticBook(createRng(6), {seconds: 120})
    const end = calm.at(-1)?.tsUs ?? START
    const [bid = 0, ask = 0] = calm.findLast(r => r.kind === 0)?.values ?? []
    const sweep = Array.from({length: 100}, (_, k) => [
      trade(end + (k + 1) * 100_000, 0, ask, 500, 1),
      quote(end + (k + 1) * 100_000 + 1, 0, bid, ask, 300 + k, 300),
    ]).flat()
    const {quotes} = rehearse(createStrategy('market-making'), table('SPY'), [...calm, ...sweep])
    expect(quotes.at(-1)?.askLots).toBe(0)
    expect(quotes.at(-1)?.bidLots).toBeGreaterThan(0)
  })
  test('what it says never depends on the future', () => {
    const whole = run().quotes
    const half = rehearse(createStrategy('market-making'), table('SPY'), rows.slice(0, rows.length / 2)).quotes
    expect(half.length).toBeGreaterThan(10)
    expect(whole.slice(0, half.length)).toEqual(half)
  })
  test('keeps a minute’s requests within the venue’s budget where there is one, and says what it spent', () => {
    const strategy = createStrategy('market-making', {}, {requestsPerMinute: 60})
    const {quotes} = rehearse(strategy, table('SPY'), rows)
    const report = strategy.report?.() ?? {}
    const free = run()
    expect(Number(free.report['requests'])).toBeGreaterThan(2 * Number(report['requests']))
    expect(report['deferred']).toBeGreaterThan(0)
    expect(free.report['deferred']).toBe(0)
    // What the venue would see: a cancel and an order for each side that changed, in any minute.
    const requests = quotes.slice(1).map((said, k) => {
      const before = quotes[k] as (typeof quotes)[number]
      const side = (was: number, wasLots: number, is: number, lots: number) =>
        wasLots === 0 ? Number(lots > 0) : lots === 0 ? 1 : was === is && 2 * wasLots >= lots && wasLots <= lots ? 0 : 2
      return {
        at: said.tsUs,
        n:
          side(before.bid, before.bidLots, said.bid, said.bidLots) +
          side(before.ask, before.askLots, said.ask, said.askLots),
      }
    })
    for (const {at} of requests) {
      const inMinute = requests.filter(r => r.at >= at && r.at < at + 60e6).reduce((sum, {n}) => sum + n, 0)
      expect(inMinute).toBeLessThanOrEqual(60)
    }
  })
  test('a budget of its own goes before the venue’s, and 0 is no limit', () => {
    const requests = (requestsPerMinute: number | null) => {
      const strategy = createStrategy('market-making', {requestsPerMinute}, {requestsPerMinute: 200})
      rehearse(strategy, table('SPY'), rows)
      return Number(strategy.report?.()['requests'])
    }
    expect(requests(0)).toBe(Number(run().report['requests']))
    expect(requests(60)).toBeLessThan(requests(null))
  })
  test('with its budget spent it still pulls a quote that the market has passed', () => {
    // Thirty quiet seconds to warm up and a budget of nearly nothing; then the mid passes the resting ask, the bid does not.
    const quiet = Array.from({length: 300}, (_, k) =>
      quote(START + k * 100e3, 0, 1_000_000 + 100 * (k % 2), 1_000_200 + 100 * (k % 2), 300, 300),
    )
    const strategy = createStrategy('market-making', {requestsPerMinute: 1, volatilityPause: 1e9, warmupSeconds: 5})
    const {quotes: before} = rehearse(strategy, table('SPY'), quiet)
    const ask = before.at(-1)?.ask ?? 0
    expect(before.at(-1)?.askLots).toBeGreaterThan(0)
    const again = createStrategy('market-making', {requestsPerMinute: 1, volatilityPause: 1e9, warmupSeconds: 5})
    const passed = [1, 2].map(k => quote(START + 30e6 + k * 200e3, 0, ask - 100, ask + 500, 300, 300))
    const {quotes} = rehearse(again, table('SPY'), [...quiet, ...passed])
    expect(quotes.at(-1)).toMatchObject({askLots: 0})
  })
  test('a quote near enough to the ideal keeps its place: the venue is told nothing new', () => {
    // The ideal price wanders by one increment; hysteresis is one.
    const wander = Array.from({length: 600}, (_, k) =>
      quote(START + k * 250e3, 0, 1_000_000 + 100 * (k % 2), 1_000_600 + 100 * (k % 2), 300, 300),
    )
    const said = (hysteresisIncrements: number) => {
      const strategy = createStrategy('market-making', {hysteresisIncrements, volatilityPause: 1e9})
      return new Set(
        rehearse(strategy, table('SPY'), wander)
          .quotes.slice(2)
          .map(q => q.bid),
      ).size
    }
    expect(said(2)).toBe(1)
    expect(said(0)).toBeGreaterThan(1)
  })
  test('a model’s expected move counts as far as it has been right', () => {
    const oracle = (sign: number) => {
      const rng = createRng(9)
      const moves = Array.from({length: 900}, () => (rng.uniform() < 0.5 ? -1 : 1))
      const tape = moves.flatMap((_, k) => {
        const mid = 1_000_000 + 200 * moves.slice(0, k).reduce((a, b) => a + b, 0)
        return [quote(START + k * 1e6, 0, mid - 200, mid + 200, 300, 300)]
      })
      const services: StrategyServices = {
        model: ({onRow}) => ({
          name: 'oracle',
          rows: 'book',
          seenUntilUs: () => 0,
          onEvent: (chunk, row) => onRow(chunk.instrument[row] as number, chunk.tsUs[row] as number),
          ask: () => {
            const k = asked++
            // Two cents on a hundred dollars: two basis points in the direction of the next second's move.
            return () => ({...NO_OPINION, moveBps: sign * 2 * (moves[k] as number)})
          },
        }),
      }
      let asked = 0
      const strategy = createStrategy('market-making', {}, services)
      rehearse(strategy, table('SPY'), tape)
      return strategy.report?.() ?? {}
    }
    expect(oracle(1)).toMatchObject({model: 'oracle', modelAnswers: 900})
    expect(Number(oracle(1)['modelWeight'])).toBeCloseTo(1, 1)
    expect(Number(oracle(-1)['modelWeight'])).toBeCloseTo(-1, 1)
    expect(Number(oracle(0)['modelWeight'])).toBe(0)
  })
  test('a model is not asked about what its training has seen', () => {
    const services: StrategyServices = {
      model: ({onRow}) => ({
        name: 'book',
        rows: 'book',
        seenUntilUs: () => START + 1e15,
        onEvent: (chunk, row) => onRow(chunk.instrument[row] as number, chunk.tsUs[row] as number),
        ask: () => expect.fail('asked'),
      }),
    }
    const strategy = createStrategy('market-making', {}, services)
    const {quotes} = rehearse(strategy, table('SPY'), rows)
    expect(quotes).toEqual(run().quotes)
    expect(strategy.report?.()['modelSilent']).toMatch(/has seen/)
  })
  test('names a symbol that is not in the data', () => {
    expect(() => run({symbols: ['TSLA']})).toThrow(/TSLA/)
  })
})
