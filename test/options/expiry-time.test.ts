import {describe, expect, test} from 'vitest'
import {calendarYears, expiryTsUs, isThirdFriday, settlementOf, tradingYears} from '../../src/options/expiry-time.ts'
import {optionRoot} from '../../src/options/option-quote.ts'

const iso = (text: string): number => Date.parse(text) * 1_000

describe('settlement', () => {
  test.each([
    ['SPX', '2019-06-21', '2019-06-21T09:30:00-04:00'],
    ['SPXW', '2019-06-21', '2019-06-21T16:00:00-04:00'],
    ['SPXW', '2022-02-04', '2022-02-04T16:00:00-05:00'],
    ['NDX', '2022-12-16', '2022-12-16T09:30:00-05:00'],
    ['VIX', '2016-06-15', '2016-06-15T09:30:00-04:00'],
    ['AMD', '2023-11-10', '2023-11-10T16:00:00-05:00'], // after the clocks went back on 5 November
    ['SPX', '2014-06-21', '2014-06-20T09:30:00-04:00'], // a Saturday
    ['GOOG', '2015-12-24', '2015-12-24T13:00:00-05:00'], // a half day
    ['BTC', '2026-02-13', '2026-02-13T08:00:00Z'],
  ])('%s %s settles at %s', (root, expiry, when) => {
    expect(expiryTsUs(expiry, settlementOf(root))).toBe(iso(when))
  })

  test('the class comes from the OCC symbol', () => {
    expect(optionRoot('SPXW190426C00800000', 'SPX')).toBe('SPXW')
    expect(optionRoot('A     190426P00080000', '?')).toBe('A')
    expect(optionRoot('BTC-13FEB26-100000-C', 'BTC')).toBe('BTC')
    expect(optionRoot('x', 'XYZ')).toBe('XYZ')
  })

  test('the third Friday is the monthly expiry', () => {
    expect(isThirdFriday('2019-06-21')).toBe(true)
    expect(isThirdFriday('2019-06-14')).toBe(false)
    expect(isThirdFriday('2019-06-20')).toBe(false)
  })
})

describe('time to expiry', () => {
  test('a calendar year is 365 days', () => {
    expect(calendarYears(iso('2023-01-01T00:00:00Z'), iso('2024-01-01T00:00:00Z'))).toBe(1)
  })

  test.each([
    ['a session is 1/252', '2023-06-12T09:30:00-04:00', '2023-06-12T16:00:00-04:00', 1],
    ['a weekend is nothing', '2023-06-09T16:00:00-04:00', '2023-06-12T09:30:00-04:00', 0],
    ['half a session', '2023-06-12T12:45:00-04:00', '2023-06-12T16:00:00-04:00', 0.5],
    ['Juneteenth is closed', '2023-06-16T16:00:00-04:00', '2023-06-20T16:00:00-04:00', 1],
    ['Good Friday is closed', '2023-04-06T16:00:00-04:00', '2023-04-10T16:00:00-04:00', 1],
    ['over New Year', '2022-12-30T16:00:00-05:00', '2023-01-03T16:00:00-05:00', 1],
    ['across the change of clocks', '2023-03-10T16:00:00-05:00', '2023-03-13T16:00:00-04:00', 1],
  ])('%s', (_name, from, to, days) => {
    expect(tradingYears(iso(from), iso(to)) * 252).toBeCloseTo(days, 9)
  })

  test('2023 had 250 sessions, two of them three hours short, and 2024 had 252 with three (NYSE)', () => {
    const sessions = (year: number): number =>
      tradingYears(iso(`${year}-01-01T12:00:00Z`), iso(`${year + 1}-01-01T12:00:00Z`)) * 252
    expect(sessions(2023)).toBeCloseTo(250 - (2 * 3) / 6.5, 9)
    expect(sessions(2024)).toBeCloseTo(252 - (3 * 3) / 6.5, 9)
  })
})
