import {describe, expect, test} from 'vitest'
import type {VenueHours} from '../../src/domain/auction-hours.ts'
import {newYorkToUtcUs, parseDay} from '../../src/domain/calendar.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {endsAtTheClose, lastTradingDayOf, tradesLate} from '../../src/domain/option-hours.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../../src/domain/units.ts'
import {exchangeSessions, SessionWatch} from '../../src/engine/exchange-sessions.ts'
import {Session} from '../../src/risk/risk.ts'

const at = (text: string): number => {
  const [day = '', clock = ''] = text.split(' ')
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map(Number)
  return newYorkToUtcUs(parseDay(day) * US_PER_DAY + hours * US_PER_HOUR + minutes * US_PER_MINUTE + seconds * 1e6)
}

/** Of 2019-04: Thursday the 18th was the last day of the month's SPX (Good Friday followed), the 26th a Friday. */
const SYMBOLS = {
  share: 'AAPL',
  coin: 'BTC/USD',
  onShare: 'AAPL190426C00200000',
  onFund: 'SPY190426C00290000',
  weekly: 'SPXW190426C02900000',
  later: 'SPXW190430C02900000',
  monthly: 'SPX190517C02900000',
  volatility: 'VIX190515C00015000',
}
const instruments = InstrumentTable.of(Object.values(SYMBOLS))
const indexOf = (symbol: string): number => instruments.indexOf(symbol) as number

/** Names of what is open, and when that changes next. */
const look = (text: string, hours: VenueHours = 'exchange') => {
  const session = new Uint8Array(instruments.size)
  const next = new SessionWatch(instruments, hours).set(new Uint8Array(instruments.size), session, at(text))
  const open = Object.entries(SYMBOLS).flatMap(([name, symbol]) =>
    session[indexOf(symbol)] === Session.open ? [name] : [],
  )
  return {open, next}
}
const ALL = Object.keys(SYMBOLS)
const LATE = ['coin', 'onFund', 'weekly', 'later', 'monthly', 'volatility']

describe('what is open', () => {
  test('options on indices and on some funds trade to 16:15, shares and options on them to 16:00', () => {
    expect(look('2019-04-25 09:29:59')).toEqual({open: ['coin'], next: at('2019-04-25 09:30')})
    expect(look('2019-04-25 09:30')).toEqual({open: ALL, next: at('2019-04-25 16:00')})
    expect(look('2019-04-25 15:59:59').open).toEqual(ALL)
    expect(look('2019-04-25 16:00')).toEqual({open: LATE, next: at('2019-04-25 16:15')})
    expect(look('2019-04-25 16:14:59').open).toEqual(LATE)
    expect(look('2019-04-25 16:15')).toEqual({open: ['coin'], next: at('2019-04-26 09:30')})
  })

  test('to 13:15 on a half day', () => {
    // The day after Thanksgiving 2018.
    expect(look('2018-11-23 13:00')).toEqual({open: LATE, next: at('2018-11-23 13:15')})
    expect(look('2018-11-23 13:15')).toEqual({open: ['coin'], next: at('2018-11-26 09:30')})
  })

  test('what is settled on the close ends with the shares on its last day', () => {
    expect(look('2019-04-26 15:59').open).toEqual(ALL)
    expect(look('2019-04-26 16:00').open).toEqual(['coin', 'later', 'monthly', 'volatility'])
  })

  test('a broker closes everything at 16:00', () => {
    expect(look('2019-04-25 16:00', 'broker')).toEqual({open: ['coin'], next: at('2019-04-26 09:30')})
  })
})

test('a venue is told of the same hours', () => {
  const {openUs, closeUs} = exchangeSessions(instruments)
  const close = (symbol: string, text: string): number => closeUs(indexOf(symbol), at(text))
  expect(close(SYMBOLS.onShare, '2019-04-25 12:00')).toBe(at('2019-04-25 16:00'))
  expect(close(SYMBOLS.weekly, '2019-04-25 12:00')).toBe(at('2019-04-25 16:15'))
  expect(close(SYMBOLS.weekly, '2019-04-25 16:05')).toBe(at('2019-04-25 16:15'))
  expect(close(SYMBOLS.onFund, '2019-11-29 10:00')).toBe(at('2019-11-29 13:15'))
  expect(close(SYMBOLS.weekly, '2019-04-26 15:00')).toBe(at('2019-04-26 16:00'))
  expect(close(SYMBOLS.share, '2019-04-25 16:05')).toBe(at('2019-04-26 16:00'))
  expect(openUs(indexOf(SYMBOLS.weekly), at('2019-04-25 16:05'))).toBe(at('2019-04-25 09:30'))
  expect(openUs(indexOf(SYMBOLS.weekly), at('2019-04-25 16:15'))).toBe(at('2019-04-26 09:30'))
  expect(close(SYMBOLS.coin, '2019-04-25 16:05')).toBe(Infinity)
})

test('the last day is the trading day before where an option is settled in the morning', () => {
  const last = (symbol: string) => lastTradingDayOf(InstrumentTable.of([symbol]).at(0))
  // Good Friday 2019-04-19 moved the month's expiry to the Thursday, and the end of trading to the Wednesday.
  expect(last('SPX190418C02900000')).toBe(parseDay('2019-04-17'))
  expect(last('SPX190517C02900000')).toBe(parseDay('2019-05-16'))
  expect(last('VIX190515C00015000')).toBe(parseDay('2019-05-14'))
  expect(last('SPXW190426C02900000')).toBe(parseDay('2019-04-26'))
  // Until 2015 options expired on Saturdays.
  expect(last('AAPL140118C00500000')).toBe(parseDay('2014-01-17'))
  expect(last('AAPL')).toBeUndefined()
})

test('classes that trade late', () => {
  const instrument = (symbol: string) => InstrumentTable.of([symbol]).at(0)
  const late = ['SPX', 'SPXW', 'NDX', 'NDXP', 'RUT', 'VIX', 'XSP', 'DJX', 'OEX', 'SPY', 'QQQ', 'IWM', 'DIA']
  for (const root of late) expect([root, tradesLate(instrument(`${root}190621C00100000`))]).toEqual([root, true])
  for (const root of ['AAPL', 'IBM', 'GLD', 'ARKK'])
    expect([root, tradesLate(instrument(`${root}190621C00100000`))]).toEqual([root, false])
  // The fund itself closes with all shares.
  expect(tradesLate(instrument('SPY'))).toBe(false)
  expect(endsAtTheClose(instrument('SPY190621C00100000'))).toBe(true)
  expect(endsAtTheClose(instrument('SPX190621C00100000'))).toBe(false)
})
