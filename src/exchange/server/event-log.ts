import type {PaperExchange} from '../exchange.ts'
import {malformed, type Refusal} from '../wire-error.ts'
import {isoUtc, parseTime} from '../wire-time.ts'

/** One event of a server-sent stream: `id` sorts as the events happened. */
export interface LoggedEvent {
  readonly id: string
  readonly atUs: number
  readonly json: Readonly<Record<string, unknown>>
}

export type EventTopic = 'trades' | 'activities'

/** What a client asked for: everything from here on, or a part of what is kept. */
export interface EventRange {
  readonly sinceUs: number | undefined
  readonly untilUs: number | undefined
  readonly sinceId: string | undefined
  readonly untilId: string | undefined
}

const KEPT = 1_000

/** The latest order events and activities of an account, under ids that can be asked for again. */
export class EventLog {
  readonly #exchange: PaperExchange
  readonly #events: Readonly<Record<EventTopic, LoggedEvent[]>> = {trades: [], activities: []}
  readonly #listeners = new Set<(topic: EventTopic, event: LoggedEvent) => void>()
  #count = 0

  constructor(exchange: PaperExchange) {
    this.#exchange = exchange
    exchange.listen({
      onUpdate: update => {
        const id = this.#nextId()
        const at = isoUtc(exchange.nowUs)
        this.#add('trades', id, {account_id: exchange.accountId, at, event_id: id, ...update})
      },
      onActivity: activity => {
        const id = this.#nextId()
        this.#add('activities', id, {
          account_id: exchange.accountId,
          at: isoUtc(exchange.nowUs),
          event_id: id,
          ...activity.json,
        })
      },
    })
  }

  /** Registers a listener; the returned function takes it back. */
  listen(listener: (topic: EventTopic, event: LoggedEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Kept events of a range, oldest first; none without a start. */
  past(topic: EventTopic, range: EventRange): LoggedEvent[] {
    if (range.sinceUs === undefined && range.sinceId === undefined) return []
    return this.#events[topic].filter(event => isWithin(event, range))
  }

  #add(topic: EventTopic, id: string, json: LoggedEvent['json']): void {
    const event = {id, atUs: this.#exchange.nowUs, json}
    const kept = this.#events[topic]
    kept.push(event)
    if (kept.length >= 2 * KEPT) kept.splice(0, KEPT)
    for (const listener of this.#listeners) listener(topic, event)
  }

  /** A ULID: 48 bits of milliseconds, then a count instead of chance, so that ids of one instant sort too. */
  #nextId(): string {
    return base32(Math.floor(this.#exchange.nowUs / 1_000), 10) + base32(++this.#count, 16)
  }
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const base32 = (value: number, digits: number): string => {
  let text = ''
  for (let left = value, k = 0; k < digits; k++, left = Math.floor(left / 32)) text = CROCKFORD[left % 32] + text
  return text
}

/** Both bounds of a time are included, an id is exclusive as a start: the client has seen it. */
export const isWithin = ({id, atUs}: LoggedEvent, {sinceUs, untilUs, sinceId, untilId}: EventRange): boolean =>
  (sinceUs === undefined || atUs >= sinceUs) &&
  (untilUs === undefined || atUs <= untilUs) &&
  (sinceId === undefined || id > sinceId) &&
  (untilId === undefined || id <= untilId)

/** `since`, `until` as times, `since_id`, `until_id` (or `…_ulid`) as ids; an end needs a start. */
export const rangeOf = (query: URLSearchParams): EventRange | Refusal => {
  const time = (name: string): number | undefined | Refusal => {
    const text = query.get(name)
    return text === null || text === '' ? undefined : (parseTime(text) ?? malformed(`invalid ${name}: ${text}`))
  }
  const [since, until] = [time('since'), time('until')]
  if (typeof since === 'object') return since
  if (typeof until === 'object') return until
  const id = (name: string): string | undefined => query.get(`${name}_id`) ?? query.get(`${name}_ulid`) ?? undefined
  const [sinceId, untilId] = [id('since'), id('until')]
  if (since !== undefined && sinceId !== undefined) return malformed('since and since_id are mutually exclusive')
  if ((until !== undefined || untilId !== undefined) && since === undefined && sinceId === undefined)
    return malformed('until requires since')
  return {sinceUs: since, untilUs: until, sinceId, untilId}
}
