import {US_PER_DAY} from '../domain/units.ts'
import {newYorkDay, type Session, sessionOf} from './sessions.ts'

/** A moment at which the exchange has something to do that no order and no row brings about. */
export interface Boundary {
  readonly atUs: number
  readonly kind: 'preOpen' | 'open' | 'close' | 'postClose' | 'utcDay'
  readonly session: Session | undefined
}

/** The first boundary after an instant. */
export const nextBoundary = (afterUs: number): Boundary => {
  // A microsecond into the day: in summer the late session ends at midnight UTC, and it ends first.
  const utcDay: Boundary = {
    atUs: (Math.floor((afterUs - 1) / US_PER_DAY) + 1) * US_PER_DAY + 1,
    kind: 'utcDay',
    session: undefined,
  }
  // A UTC day touches two days in New York.
  const today = newYorkDay(afterUs)
  for (const day of [today, today + 1]) {
    const session = sessionOf(day)
    if (session === undefined) continue
    const times = [
      ['preOpen', session.preOpenUs],
      ['open', session.openUs],
      ['close', session.closeUs],
      ['postClose', session.postCloseUs],
    ] as const
    for (const [kind, atUs] of times) if (atUs > afterUs && atUs < utcDay.atUs) return {atUs, kind, session}
  }
  return utcDay
}
