import {crypto, equity, type Instrument} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {type Decimal, fromUnits} from './decimal.ts'
import {uuid} from './uuid.ts'

/** What the exchange lists: an instrument with the venue's own facts about it. */
export interface Asset {
  readonly id: string
  readonly instrument: Instrument
  readonly name: string
  /** NASDAQ, NYSE, ARCA, CRYPTO. */
  readonly exchange: string
  readonly tradable: boolean
  readonly marginable: boolean
  readonly shortable: boolean
  readonly fractionable: boolean
  /** SIP tape letter and participant code of the listing market, for quotes and trades. */
  readonly tape: string
  readonly participant: string
}

const LISTED: Readonly<Record<string, {name: string; exchange: string; tape: string; participant: string}>> = {
  SPY: {name: 'SPDR S&P 500 ETF Trust', exchange: 'ARCA', tape: 'B', participant: 'P'},
  QQQ: {name: 'Invesco QQQ Trust, Series 1', exchange: 'NASDAQ', tape: 'C', participant: 'Q'},
  AAPL: {name: 'Apple Inc. Common Stock', exchange: 'NASDAQ', tape: 'C', participant: 'Q'},
  KO: {name: 'Coca-Cola Company', exchange: 'NYSE', tape: 'A', participant: 'N'},
  PEP: {name: 'PepsiCo, Inc. Common Stock', exchange: 'NASDAQ', tape: 'C', participant: 'Q'},
  'BTC/USD': {name: 'Bitcoin / US Dollar', exchange: 'CRYPTO', tape: '', participant: ''},
  'ETH/USD': {name: 'Ethereum / US Dollar', exchange: 'CRYPTO', tape: '', participant: ''},
  'ETH/BTC': {name: 'Ethereum / Bitcoin', exchange: 'CRYPTO', tape: '', participant: ''},
}

/** The exchange trades fractions of a share, to nine decimals; the tape it publishes is in the same lots. */
export const FRACTIONAL_DECIMALS = 9

/** The exchange's own scale of an instrument: fractions for shares, the domain's for everything else. */
export const listedInstrument = (instrument: Instrument): Instrument =>
  instrument.kind === 'equity' || instrument.kind === 'etf'
    ? {...equity(instrument.symbol, instrument.kind), sizeDecimals: FRACTIONAL_DECIMALS}
    : instrument.kind === 'crypto'
      ? crypto(instrument.symbol)
      : instrument

/** Ids are drawn once, in listing order, so one seed always gives one catalogue. */
export const listAssets = (instruments: readonly Instrument[], rng: Rng): readonly Asset[] =>
  instruments.map(instrument => {
    if (instrument.kind === 'option') return optionAsset(instrument, uuid(rng))
    const coin = instrument.kind === 'crypto'
    const facts = LISTED[instrument.symbol] ?? {
      name: instrument.symbol,
      exchange: coin ? 'CRYPTO' : 'NYSE',
      tape: coin ? '' : 'A',
      participant: coin ? '' : 'N',
    }
    return {
      id: uuid(rng),
      instrument,
      tradable: true,
      marginable: !coin,
      shortable: !coin,
      fractionable: true,
      ...facts,
    }
  })

/** A contract is bought with cash and never lent; its quotes bear the letter of the composite feed. */
const optionAsset = (instrument: Instrument, id: string): Asset => ({
  id,
  instrument,
  name: instrument.symbol,
  exchange: '',
  tradable: true,
  marginable: false,
  shortable: false,
  fractionable: false,
  tape: '',
  participant: 'C',
})

/** Alpaca's name of the asset class. */
export const assetClass = ({instrument: {kind}}: Asset): string =>
  kind === 'crypto' ? 'crypto' : kind === 'option' ? 'us_option' : 'us_equity'

/** What one unit of a position stands for: a hundred shares for a contract. Prices are a share's. */
export const unitSize = ({instrument}: Asset): Decimal => fromUnits(instrument.multiplier, 0)

/** Positions in coins are written without the slash. */
export const positionSymbol = (symbol: string): string => symbol.replace('/', '')

export const assetJson = (asset: Asset, hasOptions = false): Record<string, unknown> => {
  const coin = asset.instrument.kind === 'crypto'
  return {
    id: asset.id,
    class: assetClass(asset),
    exchange: asset.exchange,
    symbol: asset.instrument.symbol,
    name: asset.name,
    status: 'active',
    tradable: asset.tradable,
    marginable: asset.marginable,
    maintenance_margin_requirement: coin ? 100 : 30,
    margin_requirement_long: coin ? '100' : '30',
    margin_requirement_short: coin ? '100' : '30',
    shortable: asset.shortable,
    easy_to_borrow: asset.shortable,
    borrow_status: asset.shortable ? 'easy_to_borrow' : 'hard_to_borrow',
    fractionable: asset.fractionable,
    cusip: null,
    attributes: [
      ...(hasOptions ? ['has_options'] : []),
      ...(asset.fractionable && !coin ? ['fractional_eh_enabled'] : []),
    ],
    ...(coin
      ? {
          min_order_size: decimalPower(-asset.instrument.sizeDecimals),
          min_trade_increment: decimalPower(-asset.instrument.sizeDecimals),
          price_increment: decimalPower(-asset.instrument.priceDecimals),
        }
      : {}),
  }
}

const decimalPower = (exponent: number): string => (exponent === 0 ? '1' : `0.${'0'.repeat(-exponent - 1)}1`)
