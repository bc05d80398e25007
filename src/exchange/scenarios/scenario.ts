/**
 * A scripted market: what happens to which instruments when, as data. A scenario says nothing of chance; the scenario
 * market draws a different path of it for every seed, and its calm twin draws the same path with no phases at all.
 */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /** What it was shaped after. */
  readonly source: string
  /** Market seconds from the first event to the last. */
  readonly durationS: number
  /** When the trouble starts: reaction times count from here. */
  readonly onsetS: number
  readonly phases: readonly Phase[]
  /** What an account is caught short of; all else it is caught long of. */
  readonly shorted?: readonly PhaseTarget[]
}

/** `equity` and `crypto` are kinds, `single-name` every stock that is not a fund; anything else is a symbol. */
export type PhaseTarget = 'all' | 'equity' | 'single-name' | 'crypto' | (string & {})

/** What changes from `fromS` to `toS` for the instruments of `targets`. Phases that overlap multiply (or add, for moves). */
export interface Phase {
  readonly fromS: number
  readonly toS: number
  readonly targets: readonly PhaseTarget[]
  /** Fractional move of the price over the phase, spread evenly: -0.05 falls 5 %. */
  readonly move?: number
  /** Fractional move at the phase's first instant. */
  readonly jump?: number
  readonly volatility?: number
  readonly spread?: number
  readonly depth?: number
  readonly quoteRate?: number
  readonly tradeRate?: number
  /** Share of the common factor in each move, replacing the usual one: 1 all move as one, -1 against each other by turns. */
  readonly correlation?: number
  /** The market is halted: a quote with nothing on either side, then silence. */
  readonly halted?: boolean
  /** Nothing arrives, though the price goes on moving. */
  readonly silent?: boolean
  /** Chance that a quote is a stub: a cent bid and a bid 100,000 times as high offered. */
  readonly stubQuotes?: number
  /** Every other quote is off by this many half-spreads and gone at the next: quotes not meant to be hit. */
  readonly flicker?: number
  /** A cross rate leaves the product of its legs by this fraction, in a straight line to the end of the phase. */
  readonly detach?: number
}

/** Everything in force for one instrument at one time. */
export interface Condition {
  /** Logarithmic move a second. */
  drift: number
  volatility: number
  spread: number
  depth: number
  quoteRate: number
  tradeRate: number
  correlation: number | undefined
  halted: boolean
  silent: boolean
  stubQuotes: number
  flicker: number
  /** Logarithmic distance of a cross from its legs. */
  detached: number
}

/** Whether a phase speaks of an instrument. */
export const concerns = (
  phase: Pick<Phase, 'targets'>,
  instrument: {readonly symbol: string; readonly kind: 'equity' | 'etf' | 'option' | 'crypto'},
): boolean =>
  phase.targets.some(
    target =>
      target === 'all' ||
      target === instrument.symbol ||
      (target === 'crypto' && instrument.kind === 'crypto') ||
      (target === 'equity' && (instrument.kind === 'equity' || instrument.kind === 'etf')) ||
      (target === 'single-name' && instrument.kind === 'equity'),
  )

/** The condition at `atS`, from the phases that concern one instrument, written into `out`. */
export const conditionAt = (phases: readonly Phase[], atS: number, out: Condition): void => {
  Object.assign(out, CALM)
  for (const phase of phases) {
    if (phase.detach !== undefined && atS >= phase.fromS)
      out.detached += phase.detach * Math.min(1, (atS - phase.fromS) / (phase.toS - phase.fromS))
    if (atS < phase.fromS || atS >= phase.toS) continue
    if (phase.move !== undefined) out.drift += Math.log1p(phase.move) / (phase.toS - phase.fromS)
    out.volatility *= phase.volatility ?? 1
    out.spread *= phase.spread ?? 1
    out.depth *= phase.depth ?? 1
    out.quoteRate *= phase.quoteRate ?? 1
    out.tradeRate *= phase.tradeRate ?? 1
    out.correlation = phase.correlation ?? out.correlation
    out.halted ||= phase.halted ?? false
    out.silent ||= phase.silent ?? false
    out.stubQuotes = Math.max(out.stubQuotes, phase.stubQuotes ?? 0)
    out.flicker = Math.max(out.flicker, phase.flicker ?? 0)
  }
}

export const CALM: Readonly<Condition> = {
  drift: 0,
  volatility: 1,
  spread: 1,
  depth: 1,
  quoteRate: 1,
  tradeRate: 1,
  correlation: undefined,
  halted: false,
  silent: false,
  stubQuotes: 0,
  flicker: 0,
  detached: 0,
}

/** Logarithmic jumps due in (fromS, toS]. */
export const jumpsIn = (phases: readonly Phase[], fromS: number, toS: number): number => {
  let sum = 0
  for (const phase of phases)
    if (phase.jump !== undefined && phase.fromS > fromS && phase.fromS <= toS) sum += Math.log1p(phase.jump)
  return sum
}
