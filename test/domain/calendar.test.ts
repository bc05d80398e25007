import {readFileSync} from 'node:fs'
import {gunzipSync} from 'node:zlib'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import * as calendar from '../../src/domain/calendar.ts'
import {US_PER_DAY, US_PER_HOUR} from '../../src/domain/units.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

const day = calendar.parseDay

describe('civil days', () => {
  it('round-trips every day and agrees with the platform', () => {
    fc.assert(
      fc.property(fc.integer({min: -200_000, max: 200_000}), n => {
        const {year, month, day: d} = calendar.civilOf(n)
        expect(calendar.dayOf(year, month, d)).toBe(n)
        const date = new Date(n * 86_400_000)
        expect([year, month, d, calendar.weekdayOf(n)]).toEqual([
          date.getUTCFullYear(),
          date.getUTCMonth() + 1,
          date.getUTCDate(),
          date.getUTCDay(),
        ])
      }),
    )
  })

  it.each(['2024-02-30', '2024-13-01', '24-01-01', 'today'])('refuses %s', text => {
    expect(() => day(text)).toThrow(RangeError)
  })
})

describe('New York time', () => {
  const zone = new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/New_York',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  it('agrees with the time-zone database from 1975 to 2037', () => {
    // 1976–1986 followed the last-Sunday-of-April rule.
    fc.assert(
      fc.property(fc.integer({min: day('1976-01-02') * 1440, max: day('2037-12-30') * 1440}), minute => {
        const tsUs = minute * 60_000_000
        const local = calendar.newYorkToLocalUs(tsUs)
        const parts = Object.fromEntries(zone.formatToParts(tsUs / 1000).map(p => [p.type, p.value]))
        const expected = Date.UTC(
          Number(parts['year']),
          Number(parts['month']) - 1,
          Number(parts['day']),
          Number(parts['hour']),
          Number(parts['minute']),
        )
        expect(local / 1000).toBe(expected)
      }),
      {numRuns: 3000},
    )
  })

  it('inverts, except in the hour that happens twice', () => {
    fc.assert(
      fc.property(fc.integer({min: day('1998-01-02') * 24, max: day('2035-12-30') * 24}), hour => {
        const tsUs = hour * US_PER_HOUR
        const back = calendar.newYorkToUtcUs(calendar.newYorkToLocalUs(tsUs))
        expect(tsUs - back === 0 || tsUs - back === US_PER_HOUR).toBe(true)
        if (tsUs !== back) expect(calendar.civilOf(calendar.newYorkDayOf(tsUs)).month).toBeOneOf([10, 11])
      }),
    )
  })

  it('changes at 2:00 on the second Sunday of March and the first of November', () => {
    const spring = calendar.newYorkToUtcUs(day('2025-03-09') * US_PER_DAY + 2 * US_PER_HOUR)
    expect(calendar.newYorkOffsetUs(spring - 1)).toBe(-5 * US_PER_HOUR)
    expect(calendar.newYorkOffsetUs(spring)).toBe(-4 * US_PER_HOUR)
    expect(calendar.sessionOpenUs(day('2025-03-07')) % US_PER_DAY).toBe(14.5 * US_PER_HOUR)
    expect(calendar.sessionOpenUs(day('2025-03-10')) % US_PER_DAY).toBe(13.5 * US_PER_HOUR)
  })

  it('keeps Shanghai eight hours ahead', () => {
    expect(calendar.shanghaiToUtcUs(day('2025-06-05') * US_PER_DAY)).toBe(
      day('2025-06-04') * US_PER_DAY + 16 * US_PER_HOUR,
    )
  })
})

describe.skipIf(noTestData)('against recorded bars', () => {
  const column = (file: string): string[] =>
    gunzipSync(readFileSync(dataFile(file)))
      .toString()
      .trim()
      .split('\n')
      .slice(1)
      .map(line => line.split(',')[0] ?? '')

  it('names exactly the days on which SPY traded, 1998 to 2019', () => {
    const expected = column('daily/lean_SPY_1d.csv.gz')
    const days = calendar.tradingDays(day('1998-01-02'), day('2019-12-31')).map(calendar.formatDay)
    expect(days).toEqual(expected)
  })

  it('knows every early close that the bars show (from 2009 exactly; before, some days have late prints)', () => {
    const lastHour = new Map<string, number>()
    for (const stamp of column('intraday/lean_SPY_1h.csv.gz'))
      lastHour.set(stamp.slice(0, 10), Number(stamp.slice(11, 13)))
    const recorded = [...lastHour].filter(([, hour]) => hour < 15).map(([date]) => date)
    const days = calendar.tradingDays(day('1998-01-02'), day('2019-12-31')).filter(calendar.isHalfDay)
    const known = days.map(calendar.formatDay)
    expect(known).toEqual(expect.arrayContaining(recorded))
    expect(known.filter(date => date >= '2009')).toEqual(recorded.filter(date => date >= '2009'))
  })
})

describe('NYSE trading days', () => {
  // nyse.com holiday tables and closing notices.
  it.each([
    ['2001-09-11', 'the attacks'],
    ['2001-09-14', 'the attacks'],
    ['2004-06-11', "President Reagan's funeral"],
    ['2007-01-02', "President Ford's funeral"],
    ['2012-10-29', 'hurricane Sandy'],
    ['2018-12-05', "President Bush's funeral"],
    ['2025-01-09', "President Carter's funeral"],
    ['1998-04-10', 'Good Friday'],
    ['2024-03-29', 'Good Friday'],
    ['2019-05-27', 'Memorial Day'],
    ['2019-07-04', 'Independence Day'],
    ['2021-07-05', 'Independence Day observed on Monday'],
    ['2020-07-03', 'Independence Day observed on Friday'],
    ['2021-12-24', 'Christmas observed on Friday'],
    ['2022-12-26', 'Christmas observed on Monday'],
    ['2022-06-20', 'Juneteenth observed'],
    ['2023-01-02', 'New Year observed on Monday'],
  ])('is closed on %s (%s)', date => {
    expect(calendar.isTradingDay(day(date))).toBe(false)
  })

  it.each([
    ['2021-06-18', 'Juneteenth was not yet kept'],
    ['2021-12-31', 'a Saturday New Year is not made up'],
    ['2010-12-31', 'a Saturday New Year is not made up'],
    ['2018-12-04', 'the day before the funeral'],
  ])('is open on %s (%s)', date => {
    expect(calendar.isTradingDay(day(date))).toBe(true)
  })

  it.each([
    '2015-12-24',
    '2013-07-03',
    '2024-07-03',
    '2024-11-29',
    '2002-07-05',
    '2025-12-24',
    '2023-07-03',
    '1999-11-26',
  ])('closes at 13:00 on %s', date => {
    expect(calendar.isHalfDay(day(date))).toBe(true)
    expect((calendar.newYorkToLocalUs(calendar.sessionCloseUs(day(date))) % US_PER_DAY) / US_PER_HOUR).toBe(13)
  })

  it.each(['2015-07-02', '2021-07-02', '2022-07-01', '2002-07-03', '2010-12-23'])('has a full session on %s', date => {
    expect(calendar.isHalfDay(day(date))).toBe(false)
    expect(calendar.isTradingDay(day(date))).toBe(true)
  })

  // Trading days a year as published in the NYSE fact books.
  it.each([
    [1998, 252],
    [2001, 248],
    [2012, 250],
    [2018, 251],
    [2020, 253],
    [2023, 250],
    [2024, 252],
    [2025, 250],
  ])('has in %i %i days', (year, count) => {
    expect(calendar.tradingDays(calendar.dayOf(year, 1, 1), calendar.dayOf(year, 12, 31))).toHaveLength(count)
  })

  it('finds neighbours and the current or next session', () => {
    expect(calendar.formatDay(calendar.nextTradingDay(day('2024-03-28')))).toBe('2024-04-01')
    expect(calendar.formatDay(calendar.previousTradingDay(day('2024-04-01')))).toBe('2024-03-28')
    const friday = day('2024-03-28')
    expect(calendar.currentOrNextSession(calendar.sessionOpenUs(friday)).day).toBe(friday)
    expect(calendar.formatDay(calendar.currentOrNextSession(calendar.sessionCloseUs(friday)).day)).toBe('2024-04-01')
    expect(calendar.isSessionOpen(calendar.sessionOpenUs(friday))).toBe(true)
    expect(calendar.isSessionOpen(calendar.sessionCloseUs(friday))).toBe(false)
  })

  it('refuses days it does not know', () => {
    expect(() => calendar.isTradingDay(day('1997-12-31'))).toThrow(/1998/)
  })
})
