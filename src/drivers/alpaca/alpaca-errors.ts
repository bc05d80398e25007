import {UnclearOutcome} from '../../broker/broker.ts'

/** What the SDK's errors carry; matched by shape, since the SDK is loaded lazily. */
interface ApiFailure extends Error {
  readonly status: number
  readonly code?: number | string
  readonly retryAfterMs?: number
}

export const isApiFailure = (error: unknown): error is ApiFailure =>
  error instanceof Error && 'status' in error && typeof error.status === 'number'

/** The venue has looked at the request and said no: there is no order. Anything else may have left one behind. */
export const isRefusal = (error: unknown): error is ApiFailure =>
  isApiFailure(error) && error.status >= 400 && error.status < 500 && error.status !== 408

export const isNotFound = (error: unknown): boolean => isApiFailure(error) && error.status === 404
export const isRateLimited = (error: unknown): error is ApiFailure => isApiFailure(error) && error.status === 429

export const unclear = (what: string, cause: unknown): UnclearOutcome =>
  new UnclearOutcome(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {cause})
