// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import {midTicks} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import {UserError} from '../domain/errors.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {lotsOfCapital} from './sizing.ts'
import {borrowCostBps, dividendCostBps, expectedHoldingUs} from './statistical-arbitrage/carry.ts'
import {Pair, type PairCosts, type PairExit} from './statistical-arbitrage/pair.ts'
import {PriceAdjuster} from './statistical-arbitrage/price-adjuster.ts'
import {PriceGrid} from './statistical-arbitrage/price-grid.ts'
import {screenPairs} from './statistical-arbitrage/screen.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

const isoDay = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')

export const StatisticalArbitrageParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('universe; all dollar-quoted non-options when empty'),
  maxSymbols: z.int().min(2).max(200).default(60).describe('most instruments screened, the first ones of the data'),
  formationRows: z.int().min(60).default(250).describe('rows of the window pairs are found on'),
  reformationRows: z.int().positive().default(125).describe('rows between two screens'),
  sampleSeconds: z.number().positive().default(60).describe('row length when the data are quotes or trades'),
  falseDiscoveryRate: z.number().positive().max(1).default(0.1).describe('expected share of false pairs'),
  maxPairs: z.int().positive().default(5).describe('pairs traded at a time'),
  confirmWithJohansen: z.boolean().default(true).describe('a pair must pass Johansen’s test too'),
  minHalfLife: z.number().positive().default(2).describe('least half-life, rows'),
  maxHalfLifeFraction: z.number().positive().max(1).default(0.1).describe('largest half-life, of formationRows'),
  entryZ: z.number().positive().default(2).describe('distance from the mean that opens, deviations'),
  exitZ: z.number().nonnegative().default(0.5).describe('distance that closes'),
  stopZ: z.number().positive().default(4).describe('distance that stops a losing position out'),
  maxHalfLives: z.number().positive().default(4).describe('holding time limit, half-lives'),
  breakPValue: z
    .number()
    .positive()
    .max(1)
    .default(0.3)
    .describe('unit-root p-value that declares the relation broken'),
  breakRunLength: z
    .number()
    .min(50)
    .default(2000)
    .describe('mean rows between false alarms of the CUSUM that stops a pair whose mean has moved'),
  hedgeMemoryRows: z.number().min(2).default(1000).describe('rows over which the filtered hedge ratio forgets'),
  minEdgeBps: z.number().nonnegative().default(5).describe('profit asked of an entry on top of all its costs'),
  costBps: z.number().nonnegative().default(1).describe('fees and impact of a leg’s round trip, of its value'),
  barSpreadBps: z.number().nonnegative().default(3).describe('spread assumed where the data has no quotes'),
  borrowBpsPerYear: z
    .number()
    .nonnegative()
    .default(30)
    .describe('fee of borrowed stock until the data says another; easy-to-borrow stocks cost about this'),
  dividends: z
    .record(z.string(), z.array(z.strictObject({exDate: isoDay, dollars: z.number().positive()})))
    .default({})
    .describe('dividends known ahead, by symbol: a short leg pays them'),
  maxGross: z.number().positive().max(4).default(1).describe('value of all legs together, fraction of capital'),
  legFraction: z.number().positive().max(1).default(0.08).describe('value of the larger leg, fraction of capital'),
  longOnlyKinds: z
    .array(z.enum(['equity', 'etf', 'crypto', 'option']))
    .default(['crypto'])
    .describe('kinds never sold short'),
})
export type StatisticalArbitrageParams = z.output<typeof StatisticalArbitrageParams>

/**
 * Finds cointegrated pairs among the instruments present, trades the distance from their mean and drops a pair when the
 * relation breaks. Prices are made whole over splits and dividends as they are announced. Works on bars (one row a bar) and on quotes or trades (sampled). A pair with a leg that may not be sold
 * short is skipped.
 */
export const statisticalArbitrage = (params: StatisticalArbitrageParams): Strategy => new PairsStrategy(params)

class PairsStrategy implements Strategy {
  readonly name = 'statistical-arbitrage'
  readonly #params: StatisticalArbitrageParams
  #universe: number[] = []
  #isInUniverse: boolean[] = []
  #grid: PriceGrid | undefined
  #pairs: Pair[] = []
  /** Set by the first bar: from then on bars alone make rows. */
  #hasBars = false
  #nextSampleUs = 0
  #nextScreenRow: number
  #sample: Float64Array<ArrayBuffer> = new Float64Array(0)
  #adjuster = new PriceAdjuster(0)
  /** Running mean of the time between two rows. */
  #rowUs = 0
  #lastRowUs = 0
  readonly #counts = {screens: 0, tested: 0, discoveries: 0, pairs: 0, entries: 0, belowCosts: 0, atGrossLimit: 0}
  readonly #exits: Record<PairExit, number> = {reverted: 0, stopped: 0, 'timed-out': 0, broken: 0, unhedged: 0}

  constructor(params: StatisticalArbitrageParams) {
    this.#params = params
    this.#nextScreenRow = params.formationRows
  }

  start({instruments}: StrategyContext): void {
    const {symbols, maxSymbols, formationRows, longOnlyKinds} = this.#params
    const all = instruments.all()
    this.#isInUniverse = all.map(i =>
      symbols.length > 0
        ? symbols.includes(i.symbol)
        : i.kind !== 'option' && /^(USD|USDT|USDC)$/.test(i.quote) && !longOnlyKinds.includes(i.kind),
    )
    this.#universe = all.flatMap((_, i) => (this.#isInUniverse[i] === true ? [i] : [])).slice(0, maxSymbols)
    this.#isInUniverse = all.map((_, i) => this.#universe.includes(i))
    if (symbols.length > 0 && this.#universe.length < 2)
      throw new UserError(
        'TOO_FEW_SYMBOLS',
        `statistical-arbitrage needs two instruments, found ${this.#universe.length}`,
        {
          hints: [
            `the data has ${all
              .map(i => i.symbol)
              .slice(0, 20)
              .join(', ')}`,
          ],
        },
      )
    this.#grid = new PriceGrid(instruments.size, formationRows)
    this.#adjuster = new PriceAdjuster(instruments.size)
    this.#sample = new Float64Array(instruments.size)
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const grid = this.#grid
    if (grid === undefined || this.#isInUniverse[i] !== true) return
    if (chunk.kind[row] === EventKind.notice) {
      this.#adjuster.onNotice(chunk, row, this.#dollars(context, i))
      return
    }
    if (chunk.kind[row] === EventKind.bar) {
      this.#hasBars = true
      const closed = grid.onPrice(i, chunk.v3[row]! * Math.exp(this.#adjuster.offset[i]!), context.nowUs)
      if (closed > 0) this.#onRow(context, grid)
    } else if (!this.#hasBars && context.nowUs >= this.#nextSampleUs) this.#takeSample(context, grid)
  }

  report(): Readonly<Record<string, number | string>> {
    return {
      ...this.#counts,
      ...this.#exits,
      rows: this.#grid?.rows ?? 0,
      openPairs: this.#pairs.filter(p => p.direction !== 0).length,
      ...(this.#adjuster.splits + this.#adjuster.dividends === 0
        ? {}
        : {splits: this.#adjuster.splits, dividends: this.#adjuster.dividends}),
    }
  }

  #dollars({market, instruments}: StrategyContext, i: number): number {
    return midTicks(market, i) / 10 ** instruments.at(i).priceDecimals
  }

  /**
   * From entry to exit, in basis points of the y leg: both legs' spread and fees, and for the leg that is short its loan and
   * its dividends over the time the half-life lets expect.
   */
  #costsOf(context: StrategyContext, pair: Pair): PairCosts {
    const {exitZ, costBps, borrowBpsPerYear, dividends} = this.#params
    return (direction, z) => {
      const holdingUs = expectedHoldingUs(z, exitZ, pair.halfLife * this.#rowUs)
      const short = direction > 0 ? pair.x : pair.y
      const told = this.#adjuster.borrowBps[short]!
      const {symbol, kind} = context.instruments.at(short)
      const isLent = kind === 'equity' || kind === 'etf'
      const carry =
        (isLent ? borrowCostBps(Number.isNaN(told) ? borrowBpsPerYear : told, holdingUs) : 0) +
        dividendCostBps(dividends[symbol] ?? [], this.#dollars(context, short), context.nowUs, holdingUs)
      const crossing =
        this.#spreadBps(context, pair.y) + costBps + pair.beta * (this.#spreadBps(context, pair.x) + costBps)
      return crossing + carry * (short === pair.x ? pair.beta : 1)
    }
  }

  #spreadBps({market}: StrategyContext, i: number): number {
    const [bid, ask] = [market.bidTicks[i]!, market.askTicks[i]!]
    const isTwoSided = market.bidLots[i]! > 0 && market.askLots[i]! > 0 && ask > bid
    return isTwoSided && !this.#hasBars ? (2e4 * (ask - bid)) / (bid + ask) : this.#params.barSpreadBps
  }

  /** Value of the legs of all open pairs as fractions of capital. */
  #gross(): number {
    const {legFraction} = this.#params
    let gross = 0
    for (const {direction, beta} of this.#pairs)
      if (direction !== 0) gross += (legFraction * (1 + beta)) / Math.max(1, beta)
    return gross
  }

  #takeSample(context: StrategyContext, grid: PriceGrid): void {
    const periodUs = this.#params.sampleSeconds * US_PER_SECOND
    this.#nextSampleUs = (Math.floor(context.nowUs / periodUs) + 1) * periodUs
    for (const i of this.#universe) {
      const price = midTicks(context.market, i)
      this.#sample[i] = price > 0 ? Math.log(price) + this.#adjuster.offset[i]! : Number.NaN
    }
    grid.onSample(this.#sample)
    this.#onRow(context, grid)
  }

  #onRow(context: StrategyContext, grid: PriceGrid): void {
    const touched = new Set<number>()
    this.#timeRow(context.nowUs)
    for (const pair of this.#pairs) {
      const before = pair.direction
      const refused = pair.belowCosts
      const exit = pair.onRow(grid.at(pair.y, 0), grid.at(pair.x, 0), this.#costsOf(context, pair))
      this.#counts.belowCosts += pair.belowCosts - refused
      if (exit !== undefined) this.#exits[exit]++
      if (this.#isUnhedged(context, pair)) {
        pair.abandon()
        this.#exits.unhedged++
      }
      if (before === 0 && pair.direction !== 0 && this.#gross() > this.#params.maxGross) {
        pair.abandon()
        this.#counts.atGrossLimit++
      }
      if (before === 0 && pair.direction !== 0) this.#counts.entries++
      if (before !== pair.direction) touched.add(pair.y).add(pair.x)
    }
    this.#pairs = this.#pairs.filter(pair => !pair.isBroken || pair.direction !== 0)
    if (grid.rows >= this.#nextScreenRow) {
      this.#nextScreenRow = grid.rows + this.#params.reformationRows
      this.#screen(grid)
    }
    for (const i of touched) context.target(i, this.#wantedLots(context, i))
  }

  #timeRow(nowUs: number): void {
    if (this.#lastRowUs > 0 && nowUs > this.#lastRowUs) {
      const gap = nowUs - this.#lastRowUs
      this.#rowUs += this.#rowUs === 0 ? gap : (gap - this.#rowUs) / 64
    }
    this.#lastRowUs = nowUs
  }

  /** Pairs with a position stay; the others are replaced by what the window shows now. */
  #screen(grid: PriceGrid): void {
    const params = this.#params
    const open = this.#pairs.filter(p => p.direction !== 0)
    const busy = new Set(open.flatMap(p => [p.y, p.x]))
    const windows = new Map<number, Float64Array>()
    for (const i of this.#universe) {
      const window = busy.has(i) ? undefined : grid.window(i, params.formationRows)
      if (window !== undefined) windows.set(i, window)
    }
    const found = screenPairs(windows, {
      falseDiscoveryRate: params.falseDiscoveryRate,
      maxPairs: params.maxPairs - open.length,
      minHalfLife: params.minHalfLife,
      maxHalfLife: params.maxHalfLifeFraction * params.formationRows,
      minBeta: 0.1,
      maxBeta: 10,
      confirmWithJohansen: params.confirmWithJohansen,
    })
    this.#counts.screens++
    this.#counts.tested += found.tested
    this.#counts.discoveries += found.discoveries
    this.#counts.pairs += found.pairs.length
    const rules = {...params, breakEvery: 10, breakWindow: Math.max(60, Math.floor(params.formationRows / 2))}
    this.#pairs = [...open, ...found.pairs.map(candidate => new Pair(candidate, rules))]
  }

  /** One leg on and the other not, two rows after they were wanted: risk or the venue refused it. */
  #isUnhedged(context: StrategyContext, pair: Pair): boolean {
    if (pair.direction === 0 || pair.heldRows < 2) return false
    const share = (i: number): number => {
      const wanted = this.#wantedLots(context, i)
      return wanted === 0 ? 1 : context.positionLots(i) / wanted
    }
    return share(pair.y) < 0.5 !== share(pair.x) < 0.5
  }

  /** Signed lots all open pairs together want of an instrument: value N of y against −β N of x, the larger one legFraction. */
  #wantedLots(context: StrategyContext, i: number): number {
    let lots = 0
    for (const pair of this.#pairs) {
      if (pair.direction === 0 || (pair.y !== i && pair.x !== i)) continue
      const scale = this.#params.legFraction / Math.max(1, pair.beta)
      const fraction = pair.y === i ? scale : scale * pair.beta
      const size = lotsOfCapital(context, i, fraction)
      lots += pair.y === i ? pair.direction * size : -pair.direction * size
    }
    return lots
  }
}
