import type {Instrument} from './instrument.ts'

export interface OptionTerms {
  /** Symbol whose price settles it: the index of `SPXW` is `SPX`. */
  readonly underlying: string
  /** Shares change hands at the strike, or only the difference is paid. */
  readonly settlement: 'physical' | 'cash'
  /** On an index, not on a share or a fund. */
  readonly isIndex: boolean
  /** Settled on a special opening value that no tape of the index holds, not on its close. */
  readonly isMorning: boolean
}

/** Options on indices by root: [index, settled on the opening]. Source: Cboe and Nasdaq contract specifications. */
const INDEX_ROOTS: ReadonlyMap<string, readonly [index: string, isMorning: boolean]> = new Map([
  ['SPX', ['SPX', true]],
  ['SPXW', ['SPX', false]],
  ['XSP', ['XSP', false]],
  ['NANOS', ['XSP', false]],
  ['NDX', ['NDX', true]],
  ['NDXP', ['NDX', false]],
  ['XND', ['XND', false]],
  ['RUT', ['RUT', true]],
  ['RUTW', ['RUT', false]],
  ['MRUT', ['MRUT', false]],
  ['DJX', ['DJX', true]],
  ['OEX', ['OEX', false]],
  ['XEO', ['OEX', false]],
  ['VIX', ['VIX', true]],
  ['VIXW', ['VIX', true]],
] as const)

/** How an option is settled; undefined for what is no option. Options on shares and funds deliver, all others pay. */
export const optionTermsOf = ({option}: Instrument): OptionTerms | undefined => {
  if (option === undefined) return undefined
  const root = option.underlying
  const [index, isMorning] = INDEX_ROOTS.get(root) ?? []
  if (index !== undefined) return {underlying: index, settlement: 'cash', isIndex: true, isMorning: isMorning === true}
  return {
    underlying: root,
    settlement: option.style === 'american' ? 'physical' : 'cash',
    isIndex: false,
    isMorning: false,
  }
}
