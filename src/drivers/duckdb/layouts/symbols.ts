import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../../../domain/units.ts'

const VENUES = new Set(['binance', 'binanceus', 'coinbase', 'kraken', 'bitstamp', 'spot', 'usdm'])
const NOISE = new Set(
  'us lean cboe taq shfe lobster lob sample tick ticks quote quotes trade trades bars bar multi data daily hourly minute equity ohlc ohlcv candles klines quotedata message orderbook aggtrades bookticker prices price stock stocks history historical eod intraday adjusted export'.split(
    ' ',
  ),
)
const COINS = new Set(
  'BTC XBT ETH LTC XRP ADA BNB DOGE EOS NEO SOL DOT AVAX LINK UNI BCH USDC USDT DAI FDUSD SHIB PEPE TRX XLM ATOM NEAR FIL ICP ETC APT ARB OP SUI TON WIF BONK FLOKI XMR ZEC DASH AAVE MATIC POL HBAR ALGO WBTC STETH'.split(
    ' ',
  ),
)
const QUOTES = 'USDT USDC FDUSD BUSD USDP USD TUSD EUR GBP JPY TRY BRL AUD KRW BTC ETH BNB DAI'.split(' ')
const PAIR = new RegExp(`^([A-Z0-9]{1,16})[-/_](${QUOTES.join('|')})$`)
const WORD = /^[A-Z0-9]{1,20}$/

/**
 * `BTCUSDT` → `BTC/USDT`; undefined where the text is not a coin pair. Of several readings the one with a known coin counts,
 * `USDT/USD` rather than `USD/TUSD`, then the first quote of the list.
 */
export const coinPair = (text: string, anyBase = false): string | undefined => {
  const pairs = readingsOf(text.toUpperCase())
  const [base, quote] = pairs.find(([of]) => isCoin(of)) ?? (anyBase ? (pairs[0] ?? []) : [])
  return base === undefined ? undefined : `${base}/${quote}`
}

const readingsOf = (text: string): (readonly [base: string, quote: string])[] => {
  const [, base, quote] = PAIR.exec(text) ?? []
  if (base !== undefined && quote !== undefined) return [[base, quote]]
  if (!WORD.test(text)) return []
  return QUOTES.filter(name => text.endsWith(name) && text !== name).map(name => [text.slice(0, -name.length), name])
}

/** Cheap coins are traded by the thousand: 1000SHIB. */
const isCoin = (name: string): boolean => COINS.has(name.replace(/^10+/, ''))

/** The symbol a file's name most likely means: `us_5m_AAPL_2025.csv.gz` → `AAPL`. Undefined when no word looks like one. */
export const symbolFromName = (fileName: string): string | undefined => {
  const stem = fileName.replace(/(\.(csv|txt|tsv|parquet))?(\.gz)?$/i, '').replace(/\.us$/i, '')
  return (
    pairFromName(stem) ??
    stem
      .split(/[_\s]+/)
      .map(tickerOf)
      .find(word => word !== undefined)
  )
}

const isNoise = (word: string): boolean =>
  VENUES.has(word.toLowerCase()) || NOISE.has(word.toLowerCase()) || isPeriod(word)

/** `BTC_USDT-5m` and `binance_adabtc_1h` are pairs; where a venue of coins is named, of any coin. */
const pairFromName = (stem: string): string | undefined => {
  const words = stem.toUpperCase().split(/[_.\s-]+/)
  const isCrypto = words.some(word => VENUES.has(word.toLowerCase()))
  for (const [i, word] of words.entries()) {
    if (isNoise(word)) continue
    const next = words[i + 1] ?? ''
    const mayBeCoin = isCoin(word) || (isCrypto && WORD.test(word))
    if (mayBeCoin && word !== next && QUOTES.includes(next)) return `${word}/${next}`
    const pair = coinPair(word, isCrypto)
    if (pair !== undefined) return pair
  }
  return undefined
}

/** One word of a name as a ticker: what is said of its period or dates is cut off, a share class is kept. */
const tickerOf = (word: string): string | undefined => {
  const bare = word.replace(/([-.](\d{4,}|\d{1,2}|\d{1,3}(s|m|min|h|d|w|mo)|daily|hourly|minute))+$/i, '')
  const name = /^[a-z]{1,5}[.-][a-z]$/i.test(bare) ? bare : (bare.split('.')[0] ?? '')
  if (!/[A-Za-z]/.test(name) || isNoise(name)) return undefined
  return /^\^?[A-Za-z][A-Za-z0-9=-]{0,11}$/.test(name) || (name === bare && /^[a-z]{1,5}\.[a-z]$/i.test(name))
    ? name.toUpperCase()
    : undefined
}

const UNITS: Readonly<Record<string, number>> = {
  s: US_PER_SECOND,
  sec: US_PER_SECOND,
  second: US_PER_SECOND,
  m: US_PER_MINUTE,
  min: US_PER_MINUTE,
  minute: US_PER_MINUTE,
  h: US_PER_HOUR,
  hour: US_PER_HOUR,
  d: US_PER_DAY,
  day: US_PER_DAY,
  w: 7 * US_PER_DAY,
}
const PERIOD = /^(\d{1,3})(s|sec|second|m|min|minute|h|hour|d|day|w)$/i

const isPeriod = (word: string): boolean => PERIOD.test(word)

/** `5m`, `1h`, `1d` … in microseconds; undefined when it is not a period. */
export const parsePeriod = (text: string): number | undefined => {
  const match = PERIOD.exec(text)
  if (match === null) return undefined
  const unit = UNITS[(match[2] ?? '').toLowerCase()]
  return unit === undefined ? undefined : Number(match[1]) * unit
}

export const periodFromName = (fileName: string): number | undefined =>
  fileName
    .split(/[_.\s-]+/)
    .map(parsePeriod)
    .find(period => period !== undefined)
