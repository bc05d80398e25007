import {US_PER_SECOND} from '../domain/units.ts'

/** RFC 3339 in UTC with as many decimals as needed, at most microseconds: `2021-07-08T14:50:51.3729Z`. */
export const isoUtc = (atUs: number): string => {
  const seconds = Math.floor(atUs / US_PER_SECOND)
  const head = new Date(seconds * 1000).toISOString().slice(0, 19)
  const rest = atUs - seconds * US_PER_SECOND
  if (rest === 0) return `${head}Z`
  return `${head}.${String(rest).padStart(6, '0').replace(/0+$/, '')}Z`
}

/** Epoch microseconds of an RFC 3339 date-time or a bare date (midnight UTC); undefined when it is neither. */
export const parseTime = (text: string): number | undefined => {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(
    text,
  )
  if (match === null) return undefined
  const [, date = '', time = '00:00:00', fraction = '', zone = 'Z'] = match
  const seconds = Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}${zone.toUpperCase()}`) / 1000
  if (Number.isNaN(seconds)) return undefined
  return seconds * US_PER_SECOND + Number(fraction.padEnd(6, '0').slice(0, 6))
}
