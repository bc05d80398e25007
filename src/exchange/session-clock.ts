import {US_PER_DAY} from '../domain/units.ts'
import {newYorkDay, newYorkTime, type Session, sessionOf} from './sessions.ts'

/** A moment at which the exchange has something to do that no order and no row brings about. */
export interface Boundary {
  readonly atUs: number
  /** `midnight` is New York's, `utcDay` the coins'. */
  readonly kind: 'midnight' | 'preOpen' | 'open' | 'close' | 'postClose' | 'utcDay'
  readonly session: Session | undefined
}

/** The first boundary after an instant. */
export const nextBoundary = (afterUs: number): Boundary => {
  // A microsecond into the day: in summer the late session ends at midnight UTC, and it ends first.
  let next: Boundary = {
    atUs: (Math.floor((afterUs - 1) / US_PER_DAY) + 1) * US_PER_DAY + 1,
    kind: 'utcDay',
    session: undefined,
  }
  const today = newYorkDay(afterUs)
  for (const day of [today, today + 1]) {
    const session = sessionOf(day)
    const times: readonly (readonly [Boundary['kind'], number])[] = [
      ['midnight', newYorkTime(day, 0)],
      ['preOpen', session?.preOpenUs ?? 0],
      ['open', session?.openUs ?? 0],
      ['close', session?.closeUs ?? 0],
      ['postClose', session?.postCloseUs ?? 0],
    ]
    for (const [kind, atUs] of times) if (atUs > afterUs && atUs < next.atUs) next = {atUs, kind, session}
  }
  return next
}
