import type {KillVenue} from '../../src/core/kill-venue.ts'

/** A broker in memory whose misbehaviour a test scripts: slow cancels, partial fills, orders that appear late, outages. */
export class ScriptedVenue implements KillVenue {
  readonly name = 'scripted'
  readonly orders = new Map<string, {symbol: string; closes?: number; pollsToCancel?: number; cancelling?: boolean}>()
  readonly held = new Map<string, number>()
  readonly log: string[] = []
  /** Called at the start of every request, with its running number; may throw or change the book. */
  before: (request: number, what: string) => void = () => {}
  /** Units of a closing order filled at each poll. */
  fillPerPoll = Number.POSITIVE_INFINITY
  #requests = 0
  #ids = 0

  open(symbol: string, options: {pollsToCancel?: number} = {}): string {
    const id = `order-${++this.#ids}`
    this.orders.set(id, {symbol, ...options})
    return id
  }
  readonly cancelAll = async (onSent?: () => void): Promise<string[]> => {
    onSent?.()
    this.#enter('cancelAll')
    const ids = [...this.orders.keys()]
    for (const id of ids) this.#cancel(id)
    return ids
  }
  readonly cancel = async (id: string): Promise<void> => {
    this.#enter(`cancel ${id}`)
    this.#cancel(id)
  }
  readonly openOrders = async () => {
    this.#enter('openOrders')
    this.#tick()
    return [...this.orders].map(([id, {symbol}]) => ({id, symbol}))
  }
  readonly positions = async () => {
    this.#enter('positions')
    return [...this.held].filter(([, quantity]) => quantity !== 0).map(([symbol, quantity]) => ({symbol, quantity}))
  }
  readonly closePosition = async (symbol: string): Promise<string | undefined> => {
    this.#enter(`close ${symbol}`)
    const quantity = this.held.get(symbol) ?? 0
    if (quantity === 0) return undefined
    const id = `close-${++this.#ids}`
    this.orders.set(id, {symbol, closes: quantity})
    return id
  }

  #enter(what: string): void {
    this.log.push(what)
    this.before(++this.#requests, what)
  }
  #cancel(id: string): void {
    const order = this.orders.get(id)
    if (order === undefined) return
    if ((order.pollsToCancel ?? 0) > 0) order.cancelling = true
    else this.orders.delete(id)
  }
  #tick(): void {
    for (const [id, order] of this.orders) {
      if (order.cancelling && --(order.pollsToCancel as number) <= 0) this.orders.delete(id)
      if (order.closes === undefined) continue
      const part = Math.sign(order.closes) * Math.min(Math.abs(order.closes), this.fillPerPoll)
      this.held.set(order.symbol, (this.held.get(order.symbol) ?? 0) - part)
      order.closes -= part
      if (order.closes === 0) this.orders.delete(id)
    }
  }
}

/** Time that passes only when somebody sleeps. */
export const fakeTime = () => {
  let ms = 0
  return {
    nowMs: () => ms,
    sleep: async (delay: number): Promise<void> => {
      ms += delay
    },
  }
}
