import type {MarketState} from '../data/market-state.ts'
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
  target: StrategyContext['target'] = (instrument, lots, options) =>
    this.#engine.target(this.#index, instrument, lots, options?.limitTicks ?? Number.NaN, options?.timeInForce)
  quote: StrategyContext['quote'] = (instrument, bidTicks, bidLots, askTicks, askLots) =>
    this.#engine.quote(this.#index, instrument, bidTicks, bidLots, askTicks, askLots)
  multiLeg: StrategyContext['multiLeg'] = (legs, units, options = {}) =>
    this.#engine.multiLeg(this.#index, legs, units, options)
  cancelMultiLeg: StrategyContext['cancelMultiLeg'] = clientOrderId =>
    this.#engine.desk.cancelMultiLeg(this.#index, clientOrderId, this.nowUs)
  wakeAt: StrategyContext['wakeAt'] = (atUs, tag) => this.#engine.wakeAt(this.#index, atUs, tag)
}
