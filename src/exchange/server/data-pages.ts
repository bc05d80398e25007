import {newYorkDay, newYorkTime} from '../sessions.ts'
import {badParameter, isRefusal, type Refusal} from '../wire-error.ts'
import {limitParameter, timeParameter} from './request.ts'

/** One element of a history answer. */
export interface Stamped {
  readonly atUs: number
  readonly json: () => Record<string, unknown>
}

export interface Page {
  readonly rows: ReadonlyMap<string, Record<string, unknown>[]>
  readonly nextPageToken: string | null
}

interface Cursor {
  readonly symbol: string
  readonly atUs: number
  /** How many elements of that instant have been served. */
  readonly served: number
}

// Opaque to clients; the shape follows the decoded tokens of the real service.
const encodeToken = ({symbol, atUs, served}: Cursor): string =>
  Buffer.from(`${symbol}|${atUs}|${served.toString(16).toUpperCase().padStart(8, '0')}`).toString('base64')
const decodeToken = (token: string): Cursor | undefined => {
  const [symbol, atUs, served] = Buffer.from(token, 'base64').toString('utf8').split('|')
  if (symbol === undefined || atUs === undefined || served === undefined || !/^\d+$/.test(atUs)) return undefined
  return {symbol, atUs: Number(atUs), served: Number.parseInt(served, 16)}
}

export interface PageOptions {
  readonly query: URLSearchParams
  readonly symbols: readonly string[]
  readonly nowUs: number
  readonly coin: boolean
  /** Elements of a symbol, oldest first. */
  readonly rowsOf: (symbol: string) => readonly Stamped[]
}

/** Where an answer begins that nobody asked to begin elsewhere. */
export const dayStart = (nowUs: number, coin: boolean): number =>
  coin ? Math.floor(nowUs / 86_400e6) * 86_400e6 : newYorkTime(newYorkDay(nowUs), 0)

/** Symbols in alphabetical order, each in time order, `limit` elements over all of them. */
export const pageOf = ({query, symbols, nowUs, coin, rowsOf}: PageOptions): Page | Refusal => {
  const limit = limitParameter(query, 1_000, 10_000)
  const start = timeParameter(query, 'start')
  const end = timeParameter(query, 'end')
  for (const value of [limit, start, end]) if (isRefusal(value)) return value
  const sort = query.get('sort') ?? 'asc'
  if (sort !== 'asc' && sort !== 'desc') return badParameter(`invalid sort: ${sort}`)
  const token = query.get('page_token')
  const cursor = token === null || token === '' ? undefined : decodeToken(token)
  if (token !== null && token !== '' && cursor === undefined) return badParameter(`invalid page_token: ${token}`)
  const fromUs = (start as number | undefined) ?? dayStart(nowUs, coin)
  const untilUs = (end as number | undefined) ?? nowUs

  const rows = new Map<string, Record<string, unknown>[]>()
  let room = limit as number
  let last: Cursor | undefined
  for (const symbol of [...symbols].sort()) {
    if (cursor !== undefined && symbol < cursor.symbol) continue
    const found = rowsOf(symbol).filter(({atUs}) => atUs >= fromUs && atUs <= untilUs)
    if (sort === 'desc') found.reverse()
    const from = cursor?.symbol === symbol ? after(found, cursor, sort === 'desc') : 0
    const taken = found.slice(from, from + room)
    if (taken.length > 0) {
      rows.set(
        symbol,
        taken.map(row => row.json()),
      )
      const lastUs = (taken.at(-1) as Stamped).atUs
      const end = from + taken.length
      let served = 0
      for (let i = end - 1; i >= 0 && found[i]?.atUs === lastUs; i--) served++
      last = {symbol, atUs: lastUs, served}
      room -= taken.length
      if (end < found.length) return {rows, nextPageToken: encodeToken(last)}
    }
    if (room === 0) break
  }
  const remaining =
    last !== undefined &&
    room === 0 &&
    symbols.some(symbol => symbol > last.symbol && rowsOf(symbol).some(({atUs}) => atUs >= fromUs && atUs <= untilUs))
  return {rows, nextPageToken: remaining && last !== undefined ? encodeToken(last) : null}
}

const after = (found: readonly Stamped[], {atUs, served}: Cursor, descending: boolean): number => {
  let index = found.findIndex(row => (descending ? row.atUs <= atUs : row.atUs >= atUs))
  if (index < 0) return found.length
  let skip = served
  while (skip > 0 && found[index]?.atUs === atUs) {
    index++
    skip--
  }
  return index
}
