import {staticAllocation, type WeightAllocator} from '../allocation/allocation.ts'
import type {Journal} from '../broker/journal.ts'
import {memoryJournal} from '../broker/memory-journal.ts'
import type {Fill} from '../domain/order.ts'
import {tsUs as toTsUs} from '../domain/units.ts'
import type {EngineListener} from '../engine/engine.ts'
import type {RunSeries} from '../evaluation/metrics.ts'
import {roundTrips} from '../evaluation/round-trips.ts'
import {feeSchedule} from '../exchange/fees.ts'
import {constantLatency, recordedLatency} from '../exchange/latency.ts'
import {riskLimits} from '../risk/limits.ts'
import {createStrategy} from '../strategies/registry.ts'
import type {Strategy} from '../strategies/strategy.ts'
import type {BacktestOptions} from './backtest.ts'
import {nodeEvents} from './node-events.ts'
import {allocatorOf, chooseAllocation, exitRulesOf, weightsNote} from './risk-setup.ts'
import {Simulation, type SimulationOptions} from './simulation.ts'
import type {TradeEvent} from './trade-events.ts'

/** A pure function of what shapes the run, so that its client order ids are, too. */
export const backtestRunId = (configHash: string, seed: number): string => `bt.${configHash.slice(0, 10)}.${seed}`

/** One pass over the tape, and what it leaves behind. */
export interface Run {
  readonly name: string
  readonly simulation: Simulation
  readonly journal: Journal
  readonly fills: {readonly fill: Fill; readonly strategy: number}[]
  /** How often each of risk’s rules made an order smaller, refused one or closed a position. */
  readonly limited: LimitedBy
  readonly strategies: readonly Strategy[]
  readonly allocator: WeightAllocator
  readonly flush: () => Promise<void>
}

/** Counts by rule; an order that several rules made smaller counts for each. */
export interface LimitedBy {
  readonly resized: Map<string, number>
  readonly refused: Map<string, number>
  readonly closed: Map<string, number>
}

const nothingLimited = (): LimitedBy => ({resized: new Map(), refused: new Map(), closed: new Map()})

const countOne = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)

/** The run that was asked for. */
export const createRun = (options: BacktestOptions, runId: string): Run => {
  const {config, source, strategies: requested, capitalMicros, onEvents} = options
  const strategies = requested.map(({create}) => create())
  const journal = options.journal ?? memoryJournal({keep: false})
  const fills: Run['fills'] = []
  const limited = nothingLimited()
  const pending: TradeEvent[] = []
  const limits = riskLimits(config.risk)
  const events = nodeEvents({
    instruments: source.instruments,
    strategies: strategies.map(({name}) => name),
    limits,
    engine: () => simulation.engine,
    onEvent: event => void pending.push(event),
  })
  const told: EngineListener = onEvents === undefined ? {} : events.listener
  const names = requested.map(({name}) => name)
  const allocator = allocatorOf(config, names, capitalMicros, {
    base: requested.map(({weight}) => weight),
    // Weights that never move are in the configuration.
    ...(chooseAllocation(config, names).method === 'static'
      ? {}
      : {
          onWeights: record => {
            journal.append({kind: 'note', tsUs: toTsUs(record.tsUs), text: weightsNote(names, record)})
            if (onEvents !== undefined) events.weights(names, record)
          },
        }),
  })
  const simulation: Simulation = new Simulation({
    ...venueOf(options),
    runId,
    strategies,
    limits,
    exits: exitRulesOf(config),
    allocator,
    journal,
    listener: {
      ...told,
      onFill: (fill, order, effect, nowUs) => {
        fills.push({fill, strategy: order?.strategy ?? -1})
        told.onFill?.(fill, order, effect, nowUs)
      },
      onVerdict: (intent, verdict, nowUs) => {
        countOne(verdict.kind === 'resize' ? limited.resized : limited.refused, verdict.rule)
        told.onVerdict?.(intent, verdict, nowUs)
      },
      onExit: (strategy, instrument, reason, nowUs) => {
        countOne(limited.closed, reason)
        told.onExit?.(strategy, instrument, reason, nowUs)
      },
    },
  })
  return {
    name: 'main',
    simulation,
    journal,
    fills,
    limited,
    strategies,
    allocator,
    flush: async () => {
      if (onEvents === undefined || pending.length === 0) return
      await onEvents(pending)
      pending.length = 0
    },
  }
}

const venueOf = (
  options: BacktestOptions,
): Omit<SimulationOptions, 'runId' | 'strategies' | 'limits' | 'allocator' | 'journal'> => {
  const {seed, configHash, source, capitalMicros, latencyUs, fees, queue} = options
  const {latency, bars, tradeFromUs, backOffice} = options
  const {borrowBpsAnnual} = options.config.risk
  const {impact, impactHalfLifeMs, impactInverseTurnover, sharesOutstanding, exercise} = options.config.backtest
  return {
    seed,
    configHash,
    instruments: source.instruments,
    cashMicros: capitalMicros,
    latency: latency === undefined ? constantLatency(latencyUs) : recordedLatency(latency.recorded),
    fees: feeSchedule(fees, source.instruments),
    queue,
    impact: {
      model: impact,
      halfLifeUs: impactHalfLifeMs * 1000,
      inverseTurnover: impactInverseTurnover,
      sharesOutstanding,
    },
    ...(bars === undefined ? {} : {bars}),
    backOffice: {borrowBpsAnnual, exercise, ...backOffice},
    ...(tradeFromUs === undefined ? {} : {tradeFromUs}),
  }
}

/** Seconds between two random entries of a baseline, over all instruments. */
const RANDOM_ENTRY_SECONDS = 300

/**
 * The same market, costs and latency without anybody's limits: what any strategy must beat. Random entries come at one pace
 * however many instruments there are: sixty of them each on its own would trade a year of bars half a million times.
 */
export const baselineRuns = (options: BacktestOptions): Run[] => {
  const traded = options.source.instruments.all().filter(({kind}) => kind !== 'option').length
  const params = {'random-entry': {meanWaitSeconds: RANDOM_ENTRY_SECONDS * Math.max(1, traded)}}
  return ['buy-and-hold', 'random-entry', 'do-nothing'].map(name => {
    const strategies = [createStrategy(name, name === 'random-entry' ? params[name] : {})]
    const fills: Run['fills'] = []
    const journal = memoryJournal({keep: false})
    const allocator = staticAllocation({base: [1], capitalMicros: options.capitalMicros})
    const simulation = new Simulation({
      ...venueOf(options),
      runId: name,
      strategies,
      limits: riskLimits(options.config.risk, {maxDailyLossMicros: Infinity, maxDrawdown: Infinity}),
      rules: [],
      allocator,
      journal,
      listener: {onFill: fill => void fills.push({fill, strategy: 0})},
    })
    return {
      name,
      simulation,
      journal,
      fills,
      limited: nothingLimited(),
      strategies,
      allocator,
      flush: async () => undefined,
    }
  })
}

/** What figures are computed from; fills are matched into trades anew at each call. */
export const seriesOf = (run: Run, {source, tradeFromUs = 0}: BacktestOptions): RunSeries => {
  const {ledger, record, backOffice} = run.simulation.engine
  const {equity} = record
  equity.keepDeepestFall()
  const times = equity.tsUs.subarray(0, equity.count)
  // The last sample of the watching is where the first return starts.
  const first = Math.max(0, times.findIndex(at => at >= tradeFromUs) - 1)
  const allCoins = source.instruments.all().every(({kind}) => kind === 'crypto')
  return {
    tsUs: times.subarray(first),
    equityMicros: (equity.values[0] as Float64Array).subarray(first, equity.count),
    grossMicros: (equity.values[1] as Float64Array).subarray(first, equity.count),
    trips: roundTrips(
      run.fills.map(({fill}) => fill),
      source.instruments,
      backOffice?.splits,
    ),
    tradedMicros: ledger.turnoverMicros,
    calendar: allCoins ? 'continuous' : 'us-equity',
  }
}
