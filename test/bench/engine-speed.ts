/**
 * Events a second through matching, risk, ledger and a strategy: `node test/bench/engine-speed.ts [millions]`. Beside it,
 * in the same process and interleaved: a bare scan of the same columns, and a loop that makes one object per event and
 * hands it through a topic map, which is what event-driven back-testers in JavaScript usually do. Time is the CPU time of the
 * one thread, so that a busy machine changes little.
 */
import process from 'node:process'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {Config} from '../../src/config/schema.ts'
import {Simulation} from '../../src/core/simulation.ts'
import type {TapeChunk} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {feeSchedule} from '../../src/exchange/fees.ts'
import {constantLatency} from '../../src/exchange/latency.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'
import {emaCross, median, threadMs} from '../support/bench-kit.ts'
import {barTape, depthTape, orderTape, quoteTape} from '../support/engine-tapes.ts'

const SYMBOLS = ['BTC/USD', 'ETH/USD', 'SOL/USD', 'LTC/USD', 'XRP/USD', 'ADA/USD', 'DOT/USD', 'UNI/USD']

/** Quotes both sides one tick behind the touch, moving when it moves by five. */
const quoter = (): Strategy => {
  let lastBid = 0
  return {
    name: 'quoter',
    onEvent(context) {
      const bid = context.market.bidTicks[0] as number
      if (Math.abs(bid - lastBid) < 50) return
      lastBid = bid
      context.quote(
        0,
        bid - 10,
        10_000_000,
        (context.market.askTicks[0] as number) + 10,
        Math.min(10_000_000, context.positionLots(0)),
      )
    },
  }
}

/** Two averages of bar closes; long while the fast one is above. */
const barCross = (): Strategy => {
  const fast = new Float64Array(SYMBOLS.length)
  const slow = new Float64Array(SYMBOLS.length)
  return {
    name: 'bar-cross',
    onEvent(context, chunk, row) {
      const i = chunk.instrument[row] as number
      const close = context.market.close[i] as number
      fast[i] = fast[i] === 0 ? close : (fast[i] as number) + ((close - (fast[i] as number)) * 2) / 101
      slow[i] = slow[i] === 0 ? close : (slow[i] as number) + ((close - (slow[i] as number)) * 2) / 1001
      context.target(i, (fast[i] as number) > (slow[i] as number) ? 20_000_000 : 0)
    },
  }
}

const simulation = (
  symbols: readonly string[],
  strategy: Strategy,
  queue: 'conservative' | 'fifo-l3' = 'conservative',
): Simulation => {
  const instruments = InstrumentTable.of(symbols)
  return new Simulation({
    runId: 'bench',
    seed: 1,
    configHash: '',
    instruments,
    strategies: [strategy],
    allocator: staticAllocator([1]),
    limits: riskLimits(Config.parse({}).risk),
    exits: {stopLoss: 0.02, takeProfit: 0.05, maxHoldingUs: 3600e6},
    journal: memoryJournal({keep: false}),
    cashMicros: 1e12,
    latency: constantLatency(500),
    fees: feeSchedule('us', instruments),
    queue,
  })
}

const engineRun = (
  tape: readonly TapeChunk[],
  symbols: readonly string[],
  strategy: () => Strategy,
  queue?: 'conservative' | 'fifo-l3',
) => {
  const run = simulation(symbols, strategy(), queue)
  for (const chunk of tape) run.play(chunk)
  run.finish()
  const {ledger, desk} = run.engine
  return `${desk.sent} orders, ${ledger.fills} fills, ledger error ${ledger.errorMicros()}`
}

const scan = (tape: readonly TapeChunk[]) => {
  let sum = 0
  for (const {count, tsUs, v0, v1, v2, v3, instrument, kind} of tape)
    for (let r = 0; r < count; r++)
      sum +=
        (tsUs[r] as number) +
        (v0[r] as number) +
        (v1[r] as number) +
        (v2[r] as number) +
        (v3[r] as number) +
        (instrument[r] as number) +
        (kind[r] as number)
  return String(sum).slice(0, 6)
}

const objects = (tape: readonly TapeChunk[]) => {
  const handlers = new Map<string, ((event: {bid: number; ask: number; tsUs: number}) => void)[]>()
  const positions = new Map<string, number>()
  for (const symbol of SYMBOLS) {
    const state = {fast: 0, slow: 0}
    handlers.set(`quote.${symbol}`, [
      ({bid, ask}) => {
        const mid = (bid + ask) / 2
        state.fast = state.fast === 0 ? mid : state.fast + ((mid - state.fast) * 2) / 2001
        state.slow = state.slow === 0 ? mid : state.slow + ((mid - state.slow) * 2) / 20_001
        positions.set(symbol, state.fast > state.slow ? 1 : 0)
      },
    ])
  }
  for (const chunk of tape) {
    for (let r = 0; r < chunk.count; r++) {
      const event = {
        kind: 'quote',
        symbol: SYMBOLS[chunk.instrument[r] as number] as string,
        tsUs: chunk.tsUs[r] as number,
        bid: chunk.v0[r] as number,
        ask: chunk.v1[r] as number,
        bidSize: chunk.v2[r] as number,
        askSize: chunk.v3[r] as number,
      }
      for (const handler of handlers.get(`${event.kind}.${event.symbol}`) ?? []) handler(event)
    }
  }
  return `${positions.size} symbols`
}

const millions = Number(process.argv[2] ?? 4)

const compare = (title: string, rows: number, candidates: Readonly<Record<string, () => string>>): void => {
  const times = new Map<string, number[]>()
  let note = ''
  for (let round = 0; round < 5; round++) {
    for (const [name, run] of Object.entries(candidates)) {
      let said = ''
      const ms = threadMs(() => {
        said = run()
      })
      times.set(name, [...(times.get(name) ?? []), ms])
      if (name === 'engine') note = said
    }
  }
  const reference = median(times.get('engine') ?? [])
  process.stdout.write(`${title} (${rows / 1e6} M rows, median of 5; ${note})\n`)
  for (const [name, all] of times) {
    const ms = median(all)
    process.stdout.write(
      `  ${name.padEnd(18)} ${(rows / ms / 1000).toFixed(2).padStart(8)} M/s  ${((ms * 1e6) / rows).toFixed(0).padStart(5)} ns  ${(reference / ms).toFixed(2)} x engine\n`,
    )
  }
}

/** Looks at every row and wants nothing: what a row costs when nobody trades. */
const watcher = (): Strategy => {
  let sum = 0
  return {
    name: 'watcher',
    onEvent(context, chunk, row) {
      sum += context.market.bidTicks[chunk.instrument[row] as number] as number
    },
    report: () => ({sum}),
  }
}

const quotes = quoteTape(millions * 1e6, SYMBOLS.length)
compare('L1 quotes, 8 symbols', millions * 1e6, {
  engine: () => engineRun(quotes, SYMBOLS, () => emaCross(SYMBOLS.length, 20_000_000)),
  'engine, no trades': () => engineRun(quotes, SYMBOLS, watcher),
  'bare scan': () => scan(quotes),
  'object per event': () => objects(quotes),
})
const depth = depthTape(millions * 1e6)
compare('L2 changes, 1 symbol, resting quotes', millions * 1e6, {
  engine: () => engineRun(depth, ['BTC/USD'], quoter),
  'bare scan': () => scan(depth),
})
const orders = orderTape(millions * 1e6)
compare('L3 orders, 1 symbol, exact queue', millions * 1e6, {
  engine: () => engineRun(orders, ['BTC/USD'], quoter, 'fifo-l3'),
  'bare scan': () => scan(orders),
})
const bars = barTape(millions * 1e6, SYMBOLS.length)
compare('minute bars, 8 symbols', millions * 1e6, {
  engine: () => engineRun(bars, SYMBOLS, barCross),
  'bare scan': () => scan(bars),
})
