import {badParameter, type Refusal} from '../wire-error.ts'
import {parseTime} from '../wire-time.ts'

/** One REST request, free of any transport. */
export interface WireRequest {
  readonly method: string
  /** Decoded segments of the path, which was split before decoding: `BTC%2FUSD` is one segment. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  /** Parsed JSON, undefined without a body. */
  readonly body: unknown
}

export interface WireResponse {
  readonly status: number
  /** Undefined is an empty answer. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const ok = (body: unknown): WireResponse => ({status: 200, body})
export const noContent: WireResponse = {status: 204}
export const multiStatus = (body: readonly unknown[]): WireResponse => ({status: 207, body})

/** Splits the raw path, then decodes each part; undefined when a part cannot be decoded. */
export const segmentsOf = (pathname: string): string[] | undefined => {
  try {
    return pathname.split('/').slice(1).map(decodeURIComponent)
  } catch {
    return undefined
  }
}

/** A list given as `a,b`, as repeated parameters, or both. */
export const listParameter = (query: URLSearchParams, name: string): string[] =>
  query
    .getAll(name)
    .flatMap(value => value.split(','))
    .map(value => value.trim())
    .filter(value => value !== '')

export const isTrue = (query: URLSearchParams, name: string): boolean => query.get(name)?.toLowerCase() === 'true'

/** A time parameter in microseconds; undefined when absent, a refusal when it is not a time. */
export const timeParameter = (query: URLSearchParams, name: string): number | undefined | Refusal => {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  return parseTime(text) ?? badParameter(`invalid ${name}: ${text}`)
}

export const limitParameter = (query: URLSearchParams, fallback: number, maximum: number): number | Refusal => {
  const text = query.get('limit')
  if (text === null || text === '') return fallback
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1) return badParameter(`invalid limit: ${text}`)
  return limit > maximum ? badParameter(`invalid limit: larger than the allowed maximum of ${maximum}`) : limit
}
