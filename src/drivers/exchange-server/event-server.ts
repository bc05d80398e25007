import type {ServerResponse} from 'node:http'
import type {Scheduler} from '../../domain/time.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import type {PaperExchange} from '../../exchange/exchange.ts'
import {
  EventLog,
  type EventRange,
  type EventTopic,
  isWithin,
  type LoggedEvent,
} from '../../exchange/server/event-log.ts'
import {SLOW_CLIENT_BYTES} from '../../exchange/server/trading-stream.ts'

/** Something must go over the line now and then, or what lies between closes it. */
const HEARTBEAT_US = 15 * US_PER_SECOND

/** The topic of a server-sent stream's path; undefined for any other path. */
export const topicOf = (pathname: string): EventTopic | undefined => {
  if (/^\/(?:v1|v2|v2beta1)\/events\/trades$/.test(pathname)) return 'trades'
  return /^\/(?:v1|v2|v2beta1)\/events\/(?:activities|nta)$/.test(pathname) ? 'activities' : undefined
}

/** Server-sent events: what happened since a moment or an id, then what happens, as `text/event-stream`. */
export class EventServer {
  readonly #log: EventLog
  readonly #exchange: PaperExchange
  readonly #scheduler: Scheduler
  readonly #open = new Set<ServerResponse>()

  constructor(exchange: PaperExchange, scheduler: Scheduler) {
    this.#exchange = exchange
    this.#scheduler = scheduler
    this.#log = new EventLog(exchange)
  }

  serve(topic: EventTopic, range: EventRange, response: ServerResponse): void {
    response.write(':connected\n\n')
    for (const event of this.#log.past(topic, range)) send(response, event)
    if (this.#isOver(range)) {
      response.end()
      return
    }
    const unlisten = this.#log.listen((of, event) => {
      if (of !== topic) return
      if (!isWithin(event, {...range, sinceUs: undefined, sinceId: undefined})) response.end()
      else if (response.writableLength > SLOW_CLIENT_BYTES) response.destroy()
      else send(response, event)
    })
    let cancelBeat = (): void => {}
    const beat = (): void => {
      response.write(':heartbeat\n\n')
      if (this.#isOver(range)) response.end()
      else cancelBeat = this.#scheduler.after(HEARTBEAT_US, beat)
    }
    cancelBeat = this.#scheduler.after(HEARTBEAT_US, beat)
    this.#open.add(response)
    response.on('close', () => {
      unlisten()
      cancelBeat()
      this.#open.delete(response)
    })
  }

  /** Ends every stream. */
  close(): void {
    for (const response of this.#open) response.end()
  }

  /** An end in the past has been reached when the kept events have been sent; an end by id when it was among them. */
  #isOver({untilUs, untilId}: EventRange): boolean {
    return untilId !== undefined || (untilUs !== undefined && untilUs <= this.#exchange.nowUs)
  }
}

const send = (response: ServerResponse, {json}: LoggedEvent): void => {
  response.write(`data: ${JSON.stringify(json)}\n\n`)
}
