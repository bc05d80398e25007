import {parseDay} from '../domain/calendar.ts'
import {UserError} from '../domain/errors.ts'
import {US_PER_DAY} from '../domain/units.ts'
import type {HistoryKind} from '../drivers/alpaca/history.ts'
import {readFactors} from '../drivers/duckdb/factors.ts'
import type {IngestOptions} from '../drivers/duckdb/layouts/layout.ts'
import {parsePeriod} from '../drivers/duckdb/layouts/symbols.ts'

import type {AlpacaRequest} from './ingest-alpaca.ts'
import {readSecrets} from './secrets.ts'
import {systemClock, systemScheduler} from './system-clock.ts'

export interface IngestFlags {
  readonly symbol?: string | undefined
  readonly period?: string | undefined
  readonly tz?: string | undefined
  readonly map?: readonly string[] | undefined
  readonly stamp?: 'start' | 'end' | undefined
  readonly symbols?: readonly string[] | undefined
  readonly kind?: HistoryKind | undefined
  readonly feed?: string | undefined
  readonly adjust?: string | undefined
  readonly level?: '1' | '2' | '3' | undefined
  readonly 'from-date'?: string | undefined
  readonly 'to-date'?: string | undefined
}

/** Checks what was said on the command line. Throws UserError naming the flag. */
export const ingestOptions = async (source: string, flags: IngestFlags): Promise<IngestOptions> => ({
  ...(flags.symbol === undefined ? {} : {symbol: flags.symbol}),
  ...(flags.period === undefined ? {} : {periodUs: periodOf(flags.period)}),
  ...(flags.tz === undefined ? {} : {timeZone: zoneOf(flags.tz)}),
  ...(flags.map === undefined ? {} : {map: mapOf(flags.map)}),
  ...(flags.stamp === undefined ? {} : {stamp: flags.stamp}),
  ...(flags.level === undefined ? {} : {level: Number(flags.level) as 1 | 2 | 3}),
  ...(flags.adjust === undefined || source === 'alpaca' ? {} : {factors: await readFactors(flags.adjust)}),
  ...(flags['from-date'] === undefined ? {} : {fromUs: dayUs('--from-date', flags['from-date'])}),
  ...(flags['to-date'] === undefined ? {} : {toUs: dayUs('--to-date', flags['to-date'])}),
})

const ADJUSTMENTS = ['raw', 'split', 'dividend', 'spin-off', 'all']

/** How to reach Alpaca's data host: keys from the environment, `APCA_API_DATA_URL` where it is not the usual one. */
export const alpacaRequest = (
  flags: IngestFlags,
  environment: Readonly<Record<string, string | undefined>>,
): AlpacaRequest => {
  const adjustment = flags.adjust ?? 'raw'
  if (!ADJUSTMENTS.includes(adjustment)) {
    throw new UserError('BAD_ADJUSTMENT', `--adjust was ${adjustment}`, {
      hints: [`of Alpaca: ${ADJUSTMENTS.join(', ')}`],
    })
  }
  const {APCA_API_KEY_ID: keyId, APCA_API_SECRET_KEY: secret} = readSecrets(environment)
  return {
    kind: flags.kind ?? 'bars',
    symbols: flags.symbols ?? (flags.symbol === undefined ? [] : [flags.symbol]),
    adjustment,
    baseUrl: environment['APCA_API_DATA_URL'] ?? 'https://data.alpaca.markets',
    clock: systemClock(),
    scheduler: systemScheduler(),
    ...(flags.feed === undefined ? {} : {feed: flags.feed}),
    ...(keyId === undefined ? {} : {keyId}),
    ...(secret === undefined ? {} : {secret}),
  }
}

const periodOf = (text: string): number => {
  const periodUs = parsePeriod(text)
  if (periodUs === undefined)
    throw new UserError('BAD_PERIOD', `--period was ${text}`, {hints: ['write it as 1s, 5m, 1h or 1d']})
  return periodUs
}

const zoneOf = (zone: string): string => {
  try {
    return new Intl.DateTimeFormat('en', {timeZone: zone}).resolvedOptions().timeZone
  } catch (cause) {
    throw new UserError('BAD_ZONE', `--tz was ${zone}, which is no time zone`, {
      cause,
      hints: ['write it as UTC or America/New_York'],
    })
  }
}

const mapOf = (pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    pairs.map(pair => {
      const [column, field, ...rest] = pair.split('=')
      if (!column || !field || rest.length > 0) {
        throw new UserError('BAD_MAP', `--map was ${pair}`, {
          hints: ['write it as column=field, for example Last=close'],
        })
      }
      return [column, field]
    }),
  )

const dayUs = (flag: string, text: string): number => {
  try {
    return parseDay(text) * US_PER_DAY
  } catch (cause) {
    throw new UserError('BAD_DATE', `${flag} was ${text}`, {cause, hints: ['write it as YYYY-MM-DD']})
  }
}
