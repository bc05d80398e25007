import type {MarketState} from '../data/market-state.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import type {TsUs} from '../domain/units.ts'
import type {StrategyContext} from '../strategies/strategy.ts'
import type {Engine, EngineOptions} from './engine.ts'

/** What one strategy sees of the engine. */
export class EngineContext implements StrategyContext {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly rng: Rng
  capitalMicros = 0
  readonly #engine: Engine
  readonly #index: number
  readonly #name: string
  readonly #base: number

  constructor(engine: Engine, options: EngineOptions, index: number, name: string) {
    this.#engine = engine
    this.#index = index
    this.#name = name
    this.#base = index * options.instruments.size
    this.instruments = options.instruments
    this.market = options.market
    this.rng = options.rng.fork(`strategy/${name}`)
  }
  get nowUs(): TsUs {
    return this.#engine.nowUs as TsUs
  }
  positionLots = (instrument: number): number => this.#engine.ledger.tradedLots[this.#base + instrument] ?? 0
  signal: StrategyContext['signal'] = signal =>
    this.#engine.signal(this.#index, {...signal, strategy: this.#name, tsUs: this.nowUs})
  target: StrategyContext['target'] = (instrument, lots, options) => {
    this.#check(instrument)
    if (!Number.isSafeInteger(lots)) this.#refuse(instrument, 'lots', lots)
    const limitTicks = options?.limitTicks
    if (limitTicks !== undefined && !Number.isSafeInteger(limitTicks))
      this.#refuse(instrument, 'limitTicks', limitTicks)
    this.#engine.target(this.#index, instrument, lots, limitTicks ?? Number.NaN, options?.timeInForce)
  }
  quote: StrategyContext['quote'] = (instrument, bidTicks, bidLots, askTicks, askLots) => {
    this.#check(instrument)
    if (!Number.isSafeInteger(bidLots)) this.#refuse(instrument, 'bidLots', bidLots)
    if (!Number.isSafeInteger(askLots)) this.#refuse(instrument, 'askLots', askLots)
    // The price of no lots is nobody's.
    if (bidLots !== 0 && !Number.isSafeInteger(bidTicks)) this.#refuse(instrument, 'bidTicks', bidTicks)
    if (askLots !== 0 && !Number.isSafeInteger(askTicks)) this.#refuse(instrument, 'askTicks', askTicks)
    this.#engine.quote(this.#index, instrument, bidTicks, bidLots, askTicks, askLots)
  }
  multiLeg: StrategyContext['multiLeg'] = (legs, units, options = {}) =>
    this.#engine.multiLeg(this.#index, legs, units, options)
  cancelMultiLeg: StrategyContext['cancelMultiLeg'] = clientOrderId =>
    this.#engine.desk.cancelMultiLeg(this.#index, clientOrderId, this.nowUs)
  wakeAt: StrategyContext['wakeAt'] = (atUs, tag) => this.#engine.wakeAt(this.#index, atUs, tag)

  /** A number that is none of the tape's would be another strategy's wish. */
  #check(instrument: number): void {
    if (instrument >= 0 && instrument < this.instruments.size && Number.isInteger(instrument)) return
    throw failed(`${this.#name} wants instrument ${instrument} of ${this.instruments.size}`, [
      'instruments are numbered from 0, as in chunk.instrument[row]',
    ])
  }

  /** Here and now: later nobody could say who asked. */
  #refuse(instrument: number, what: string, value: number): never {
    const {symbol} = this.instruments.at(instrument)
    throw failed(`${this.#name} wants ${what} ${value} of ${symbol}, which is no whole number`, [
      'lots and ticks are whole: Math.floor, Math.round, or lotsOfCapital of gpi',
      'NaN comes of a price or a mean that is not there yet',
    ])
  }
}

const failed = (message: string, hints: readonly string[]): UserError =>
  new UserError('STRATEGY_FAILED', message, {exitCode: ExitCode.failure, hints})
