/** An answer of the exchange that is not a success, as it goes on the wire. */
export interface Refusal {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>> & {readonly message: string; readonly code?: number}
}

const refusal = (
  status: number,
  code: number,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
): Refusal => ({
  status,
  body: {...extra, code, message},
})

/** 422: something is missing or malformed. */
export const malformed = (message: string): Refusal => refusal(422, 40010001, message)
/** 422: understood, but not allowed. */
export const unprocessable = (message: string, extra?: Readonly<Record<string, unknown>>): Refusal =>
  refusal(422, 42210000, message, extra)
/** 403: funds, position, protection. */
export const forbidden = (message: string, extra?: Readonly<Record<string, unknown>>): Refusal =>
  refusal(403, 40310000, message, extra)
export const notFound = (message: string): Refusal => refusal(404, 40410000, message)
export const noEndpoint: Refusal = refusal(404, 40410000, 'endpoint not found.')
/** 400, not recorded anywhere; the body the recordings of other services suggest. */
export const badJson: Refusal = refusal(400, 40010000, 'request body format is invalid')
export const internalError: Refusal = refusal(500, 50010000, 'internal server error occurred')
export const rateLimited: Refusal = refusal(429, 42910000, 'rate limit exceeded')
/** Market data errors carry only a message. */
export const badParameter = (message: string): Refusal => ({status: 400, body: {message}})

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'status' in value && 'body' in value
