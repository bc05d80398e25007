import {readdirSync, readFileSync} from 'node:fs'
import {gunzipSync} from 'node:zlib'
import {newYorkToUtcUs, parseDay} from '../../src/domain/calendar.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../../src/domain/units.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {dataFile} from './test-data.ts'

/** A quote with what the vendor's page says of it; volatility 0 means the vendor gives none. */
export interface VendorQuote extends OptionQuote {
  readonly vendorVolatility: number
  readonly vendorDelta: number
}

/** One downloaded chain: quotes of one symbol at one time. */
export interface VendorChain {
  readonly name: string
  readonly quotes: readonly VendorQuote[]
}

export const cboeFiles = (): readonly string[] =>
  readdirSync(dataFile('options'))
    .filter(name => name.startsWith('cboe_'))
    .sort()

/** Splits a line of the archive's CSV; the only quoted field holds commas but no quotes. */
const fields = (line: string): string[] => {
  if (!line.includes('"')) return line.split(',')
  return line.split('"').flatMap((part, i) => (i % 2 === 1 ? [part] : part.replace(/^,|,$/g, '').split(',')))
}

const rowsOf = (name: string): Record<string, string>[] => {
  const lines = gunzipSync(readFileSync(dataFile(`options/${name}`)))
    .toString('utf8')
    .split('\n')
  const header = fields(lines[0] ?? '')
  return lines
    .slice(1)
    .filter(line => line !== '')
    .map(line => {
      const values = fields(line)
      return Object.fromEntries(header.map((key, i) => [key, values[i] ?? '']))
    })
}

/** Epoch microseconds of a New York wall-clock time on a date. */
export const newYork = (isoDate: string, hour: number, minute = 0): number =>
  newYorkToUtcUs(parseDay(isoDate) * US_PER_DAY + hour * US_PER_HOUR + minute * US_PER_MINUTE)

/** The page's own stamp where it lies in the session of the trade date, else that session's last quotes at 16:00. */
const snapshotUs = (text: string, tradeDate: string): number => {
  const match = /(\d{1,2}):(\d{2}) (AM|PM)/.exec(text)
  const date = /(\w+) (\d{1,2}),? (\d{4})|(\d{1,2}) (\w+) (\d{4})/.exec(text)
  if (match === null || date === null) return newYork(tradeDate, 16)
  const day = Date.parse(`${date[0].replace(',', '')} UTC`) / 86_400_000
  const hour = (Number(match[1]) % 12) + (match[3] === 'PM' ? 12 : 0)
  const minutes = hour * 60 + Number(match[2])
  if (day !== parseDay(tradeDate) || minutes < 570 || minutes > 960) return newYork(tradeDate, 16)
  return newYork(tradeDate, hour, Number(match[2]))
}

export const readCboe = (name: string): VendorChain => ({
  name,
  quotes: rowsOf(name).map(row => ({
    symbol: row['symbol'] ?? '',
    contract: row['contract'] ?? '',
    right: row['right'] === 'call' ? 'call' : 'put',
    strike: Number(row['strike']),
    expiry: row['expiration'] ?? '',
    tsUs: snapshotUs(row['snapshot_time_text'] ?? '', row['trade_date'] ?? ''),
    bid: Number(row['bid']),
    ask: Number(row['ask']),
    underlying: Number(row['underlying_last']),
    volume: Number(row['volume']),
    openInterest: Number(row['open_interest']),
    vendorVolatility: Number(row['implied_vol']),
    vendorDelta: Number(row['delta']),
  })),
})

/** Daily SPX chains of the 2018 and 2019 files; the time of day is not recorded, 16:00 is assumed. */
export const readSpx = (name: string): VendorChain[] => {
  const byDate = new Map<string, VendorQuote[]>()
  for (const row of rowsOf(name)) {
    const date = row['quote_date'] ?? ''
    const quotes = byDate.get(date) ?? []
    byDate.set(date, quotes)
    quotes.push({
      symbol: 'SPX',
      contract: row['optionroot'] ?? '',
      right: row['type'] === 'call' ? 'call' : 'put',
      strike: Number(row['strike']),
      expiry: row['expiration'] ?? '',
      tsUs: newYork(date, 16),
      bid: Number(row['bid']),
      ask: Number(row['ask']),
      underlying: Number(row['underlying_last']),
      volume: Number(row['volume']),
      openInterest: Number(row['openinterest']),
      vendorVolatility: Number(row['impliedvol']),
      vendorDelta: Number(row['delta']),
    })
  }
  return [...byDate].map(([date, quotes]) => ({name: `${name} ${date}`, quotes}))
}
