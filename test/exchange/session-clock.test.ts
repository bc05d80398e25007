import {expect, test} from 'vitest'
import {nextBoundary} from '../../src/exchange/session-clock.ts'
import {
  currentOrNextSession,
  isoDay,
  isoNewYork,
  isTradingDay,
  parseDay,
  sessionOf,
  settlementDay,
} from '../../src/exchange/sessions.ts'
import {isoUtc} from '../../src/exchange/wire-time.ts'
import {at} from './exchange-rig.ts'

test('crosses every boundary of two days once and in order, in summer and in winter', () => {
  for (const [start, expected] of [
    [
      '2025-06-02T04:00:00Z',
      [
        'preOpen 08:00',
        'open 13:30',
        'close 20:00',
        'postClose 00:00',
        'utcDay 00:00',
        'midnight 04:00',
        'preOpen 08:00',
        'open 13:30',
      ],
    ],
    [
      '2025-12-01T05:00:00Z',
      [
        'preOpen 09:00',
        'open 14:30',
        'close 21:00',
        'utcDay 00:00',
        'postClose 01:00',
        'midnight 05:00',
        'preOpen 09:00',
        'open 14:30',
      ],
    ],
  ] as const) {
    let nowUs = at(start)
    const seen = expected.map(() => {
      const {kind, atUs} = nextBoundary(nowUs)
      expect(atUs).toBeGreaterThan(nowUs)
      nowUs = atUs
      return `${kind} ${isoUtc(atUs).slice(11, 16)}`
    })
    expect(seen).toEqual(expected)
  }
})

/** Full-day closures as the NYSE published them for 2023 to 2027. */
const HOLIDAYS =
  `2023-01-02 2023-01-16 2023-02-20 2023-04-07 2023-05-29 2023-06-19 2023-07-04 2023-09-04 2023-11-23 2023-12-25
2024-01-01 2024-01-15 2024-02-19 2024-03-29 2024-05-27 2024-06-19 2024-07-04 2024-09-02 2024-11-28 2024-12-25
2025-01-01 2025-01-09 2025-01-20 2025-02-17 2025-04-18 2025-05-26 2025-06-19 2025-07-04 2025-09-01 2025-11-27 2025-12-25
2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 2026-12-25
2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 2027-12-24`.split(
    /\s+/,
  )
/** Early closes, same source. */
const EARLY =
  '2023-07-03 2023-11-24 2024-07-03 2024-11-29 2024-12-24 2025-07-03 2025-11-28 2025-12-24 2026-11-27 2026-12-24 2027-11-26'.split(
    ' ',
  )

test('keeps the exchange’s published calendar', () => {
  const closed: string[] = []
  const early: string[] = []
  for (let day = parseDay('2023-01-01'); day <= parseDay('2027-12-31'); day++) {
    const weekend = [0, 6].includes(new Date(day * 86_400_000).getUTCDay())
    if (!weekend && !isTradingDay(day)) closed.push(isoDay(day))
    const session = sessionOf(day)
    if (session !== undefined && isoNewYork(session.closeUs).slice(11, 16) === '13:00') early.push(isoDay(day))
  }
  expect(closed).toEqual(HOLIDAYS)
  expect(early).toEqual(EARLY)
})

test('daylight saving moves the open in UTC, not in New York', () => {
  const open = (day: string) => isoUtc(currentOrNextSession(at(`${day}T12:00:00Z`)).openUs)
  expect(open('2025-03-07')).toBe('2025-03-07T14:30:00Z')
  expect(open('2025-03-10')).toBe('2025-03-10T13:30:00Z')
  expect(open('2025-10-31')).toBe('2025-10-31T13:30:00Z')
  expect(open('2025-11-03')).toBe('2025-11-03T14:30:00Z')
  expect(isoNewYork(at('2020-06-09T02:38:49.042731Z'))).toBe('2020-06-08T22:38:49.042731-04:00')
})

test('settles one trading day later since 28 May 2024, two before', () => {
  expect(isoDay(settlementDay(parseDay('2026-01-05')))).toBe('2026-01-06')
  expect(isoDay(settlementDay(parseDay('2024-05-24')))).toBe('2024-05-29')
})
