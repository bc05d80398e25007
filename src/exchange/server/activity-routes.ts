import type {PaperExchange} from '../exchange.ts'
import {newYorkDay, parseDay} from '../sessions.ts'
import {isRefusal, malformed, type Refusal} from '../wire-error.ts'
import {listParameter, timeParameter} from './request.ts'

const TYPES = new Set(
  'FILL ACATC ACATS CFEE CIL CSD CSW DIV DIVCGL DIVCGS DIVNRA DIVROC DIVTXEX DIVWH EXTRD FEE FXTRD INT INTPNL JNLC JNLS MA MEM NC OCT OPASN OPCA OPCSH OPEXC OPEXP OPTRD PTC REORG SPIN SPLIT SWP TRANS VOF WH'.split(
    ' ',
  ),
)

/** `GET /v2/account/activities[/{type}]`: newest first unless asked otherwise, paged by the last id seen. */
export const listActivities = (
  exchange: PaperExchange,
  pathType: string | undefined,
  query: URLSearchParams,
): Readonly<Record<string, unknown>>[] | Refusal => {
  const asked = pathType === undefined ? listParameter(query, 'activity_types') : [pathType]
  const unknown = asked.find(type => !TYPES.has(type))
  if (unknown !== undefined) return malformed(`invalid activity type: ${unknown}`)
  const category = query.get('category')
  if (category !== null && asked.length > 0) return malformed('category and activity_types are mutually exclusive')
  const after = timeParameter(query, 'after')
  const until = timeParameter(query, 'until')
  if (isRefusal(after) || isRefusal(until)) return malformed('invalid after or until')
  const date = query.get('date')
  const day = date === null ? undefined : parseDay(date)
  const size = Number(query.get('page_size') ?? 100)
  if (!Number.isInteger(size) || size < 1 || size > 100) return malformed('page_size must be between 1 and 100')

  const found = exchange.activities.filter(
    ({type, atUs}) =>
      (asked.length === 0 || asked.includes(type)) &&
      (category === null || (category === 'trade_activity') === (type === 'FILL')) &&
      (after === undefined || atUs > after) &&
      (until === undefined || atUs < until) &&
      (day === undefined || newYorkDay(atUs) === day),
  )
  if (query.get('direction') !== 'asc') found.reverse()
  const token = query.get('page_token')
  const from = token === null ? 0 : found.findIndex(({id}) => id === token) + 1
  return found.slice(from, from + size).map(({json}) => json)
}
