import {memoryJournal} from '../broker/memory-journal.ts'
import type {Config} from '../config/schema.ts'
import {lotsToSize} from '../domain/instrument.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {feeSchedule} from '../exchange/fees.ts'
import {jitteredLatency} from '../exchange/latency.ts'
import {ScenarioMarket} from '../exchange/scenarios/scenario-market.ts'
import {scenariosNamed} from '../exchange/scenarios/scenarios.ts'
import {riskLimits} from '../risk/limits.ts'
import {allocatorOf, exitRulesOf, withAllocation} from './risk-setup.ts'
import {Simulation} from './simulation.ts'
import type {StrategyFactory} from './strategy-module.ts'
import {ownServices} from './strategy-services.ts'
import {chooseStrategies} from './strategy-setup.ts'
import {stressBook} from './stress-book.ts'
import type {PathRequest, PathResult} from './stress-path.ts'

export interface StressRunOptions {
  readonly config: Config
  readonly configHash: string
  readonly strategies: readonly string[]
  readonly equityMicros: number
  /** `limits`: the account also holds as much as its limits allow, the wrong way round; `none` by default. */
  readonly book?: 'limits' | 'none'
}

/** Tuesday 3 June 2025, 14:00 in New York: no scenario runs into the close, and the day so far warms strategies up. */
const START_US = Date.UTC(2025, 5, 3, 18) * 1_000
/** From 09:40: pairs need 250 minutes to be found. */
const WARMUP_S = 260 * 60
/** One way to the venue: median, and spread of its logarithm. */
const LATENCY_US = 2_000
const LATENCY_SIGMA = 0.5

/**
 * One path: the engine, risk, allocation and strategies that trade, against the matching core that back-tests use, inside
 * a scripted market; `modules` are the user's own strategies among its names. Synchronous, in virtual time; the same request gives the same journal hash in any process.
 */
export const runStressPath = (
  request: PathRequest,
  options: StressRunOptions,
  modules?: ReadonlyMap<string, StrategyFactory>,
): PathResult => {
  const {config, configHash, equityMicros} = options
  const scenario = scenariosNamed(request.scenario)[0]
  if (scenario === undefined) throw new RangeError(`no scenario ${request.scenario}`)
  const path = new ScenarioMarket({
    scenario,
    calm: request.calm,
    seed: request.seed,
    startUs: START_US,
    warmupS: WARMUP_S,
  })
  const {instruments} = path
  const {running: chosen} = chooseStrategies({
    config,
    instruments,
    names: options.strategies,
    services: ownServices(),
    ...(modules === undefined ? {} : {modules}),
  })
  // Where the choice is left open it is static here: a path lasts minutes, which a policy would mostly only watch.
  const own = allocatorOf(
    config.strategies.allocation === 'auto' ? withAllocation(config, {method: 'static'}) : config,
    chosen.map(({name}) => name),
    equityMicros,
  )
  const hasBook = options.book === 'limits'
  const running = hasBook ? [...chosen, stressBook(scenario, config.risk, equityMicros / 1e6, START_US)] : chosen
  const journal = memoryJournal({keep: false})

  const onsetUs = START_US + scenario.onsetS * US_PER_SECOND
  let exitedUs: number | undefined
  let latchedUs: number | undefined
  let latchReason: string | undefined
  let ordersAfterLatch = 0
  const simulation = new Simulation({
    runId: `stress.${request.scenario}.${request.seed}`,
    seed: request.seed,
    configHash,
    instruments,
    strategies: running,
    // The book asks for lots, not for capital.
    allocator: hasBook
      ? {
          ...own,
          weights: () => [...Array.from(own.weights()), 0],
          observe: (tsUs, profits) => own.observe?.(tsUs, profits.subarray(0, chosen.length)),
        }
      : own,
    limits: riskLimits(config.risk),
    exits: exitRulesOf(config),
    journal,
    cashMicros: equityMicros,
    latency: jitteredLatency(LATENCY_US, LATENCY_SIGMA, 200),
    fees: feeSchedule('us', instruments),
    queue: 'conservative',
    // What is shown is all there is: selling into an empty book is the point.
    respectSize: true,
    listener: {
      onExit: (_strategy, _instrument, _reason, nowUs) => {
        if (nowUs >= onsetUs) exitedUs ??= nowUs
      },
      onState: (state, reason, nowUs) => {
        if (state === 'active') return
        latchedUs ??= nowUs
        latchReason ??= reason.split(':')[0]
      },
      onOrder: ({status, intent}) => {
        if (latchedUs === undefined || status !== 'submitted') return
        const position = engine.ledger.account.lots[intent.instrument] as number
        const signed = intent.side === 'buy' ? intent.lots : -intent.lots
        if (Math.abs(position + signed) > Math.abs(position)) ordersAfterLatch++
      },
    },
  })
  const {engine} = simulation

  /** Judged by the path's own prices: a stub quote would make any mark to market absurd. */
  const fairEquity = (nowUs: number): number => {
    let equity = engine.ledger.cashMicros
    for (const [i, lots] of engine.ledger.account.lots.entries())
      if (lots !== 0)
        equity += lotsToSize(instruments.at(i), lots) * instruments.at(i).multiplier * path.fairPrice(i, nowUs) * 1e6
    return equity
  }
  let peak = equityMicros
  let maxDrawdown = 0
  let nextSampleUs = 0
  /** What was held when the trouble began, and its value then: had nobody done anything, this is what would have been lost. */
  let held: {readonly lots: Float64Array; readonly value: number} | undefined
  let revaluedLoss = 0
  let grossAtOnset = 0
  const worthOf = (lots: ArrayLike<number>, nowUs: number, gross = false): number => {
    let value = 0
    for (let i = 0; i < lots.length; i++) {
      const {multiplier} = instruments.at(i)
      const worth = lotsToSize(instruments.at(i), lots[i] as number) * multiplier * path.fairPrice(i, nowUs)
      value += gross ? Math.abs(worth) : worth
    }
    return value * 1e6
  }
  const sample = (nowUs: number): void => {
    nextSampleUs = nowUs + US_PER_SECOND
    if (nowUs < onsetUs) {
      const lots = engine.ledger.account.lots.slice()
      held = {lots, value: worthOf(lots, nowUs)}
      grossAtOnset = worthOf(lots, nowUs, true) / equityMicros
    } else if (held !== undefined)
      revaluedLoss = Math.max(revaluedLoss, (held.value - worthOf(held.lots, nowUs)) / equityMicros)
    const equity = fairEquity(nowUs)
    peak = Math.max(peak, equity)
    maxDrawdown = Math.max(maxDrawdown, 1 - equity / peak)
  }
  for (const chunk of path.chunks()) {
    // Row by row, so that equity is sampled by market time and not by chunk.
    for (let row = 0; row < chunk.count; row++) {
      simulation.play(chunk, row, row + 1)
      const atUs = chunk.tsUs[row] as number
      if (atUs >= nextSampleUs) sample(atUs)
    }
  }
  engine.desk.cancelAll(engine.nowUs)
  simulation.finish()
  sample(engine.nowUs)
  return {
    seed: request.seed,
    calm: request.calm,
    loss: 1 - fairEquity(engine.nowUs) / equityMicros,
    maxDrawdown,
    grossAtOnset,
    revaluedLoss,
    exitUs: exitedUs === undefined ? undefined : exitedUs - onsetUs,
    latchedAtUs: latchedUs === undefined ? undefined : latchedUs - START_US,
    reactionUs:
      latchedUs === undefined || latchedUs < START_US + scenario.onsetS * US_PER_SECOND
        ? undefined
        : latchedUs - START_US - scenario.onsetS * US_PER_SECOND,
    latchReason,
    ordersAfterLatch,
    events: engine.events,
    orders: engine.desk.sent,
    fills: engine.ledger.fills,
    rejected: engine.desk.rejected,
    ledgerErrorMicros: engine.ledger.errorMicros(),
    journalHash: journal.hash(),
  }
}
