import type {z} from 'zod'
import {ExitCode, UserError} from '../domain/errors.ts'
import {GpiRecord} from './records.ts'

export interface InvalidRecord {
  /** Line in the stream, from 1. */
  readonly line: number
  readonly reason: string
  /** The line itself, cut at 1,000 characters. */
  readonly text: string
}

export interface NumberedRecord<T = GpiRecord> {
  readonly line: number
  readonly record: T
}

/** Counts records that were refused and passes each on. One per stream; ask it at the end whether all was well. */
export class Rejects {
  #count = 0
  #first: InvalidRecord | undefined
  readonly #onReject: ((invalid: InvalidRecord) => void) | undefined

  constructor(onReject?: (invalid: InvalidRecord) => void) {
    this.#onReject = onReject
  }
  get count(): number {
    return this.#count
  }
  add(invalid: InvalidRecord): void {
    this.#count++
    this.#first ??= invalid
    this.#onReject?.(invalid)
  }
  /** Throws UserError (exit 6) naming the first refused record, when there was one. */
  throwIfAny(streamName: string): void {
    if (this.#first === undefined) return
    const {line, reason, text} = this.#first
    const more = this.#count > 1 ? ` (and ${this.#count - 1} more)` : ''
    throw new UserError('INVALID_RECORDS', `${streamName}:${line}: ${reason}: ${text.slice(0, 80)}${more}`, {
      exitCode: ExitCode.invalidData,
      hints: ['leave such records out with --skip-invalid', 'list them with --rejects FILE'],
    })
  }
}

const MAX_LINE = 16 * 1024 * 1024

/**
 * Records of an NDJSON stream, checked one by one; what is not one goes to `rejects` and the stream goes on. Blank lines
 * are nothing, a missing final newline is fine, and the input is read no faster than records are taken.
 */
export async function* readNdjson<T = GpiRecord>(
  input: AsyncIterable<Uint8Array | string>,
  rejects: Rejects,
  schema: z.ZodType<T> = GpiRecord as unknown as z.ZodType<T>,
): AsyncGenerator<NumberedRecord<T>> {
  for await (const {line, text} of linesOf(input)) {
    const parsed = parseRecord(text, schema)
    if ('reason' in parsed) rejects.add({line, reason: parsed.reason, text: text.slice(0, 1000)})
    else yield {line, record: parsed.record}
  }
}

const parseRecord = <T>(text: string, schema: z.ZodType<T>): {readonly record: T} | {readonly reason: string} => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return {reason: 'not JSON'}
  }
  const result = schema.safeParse(value)
  if (result.success) return {record: result.data}
  const [issue] = result.error.issues
  const path = issue?.path.join('.') ?? ''
  return {reason: `${path === '' ? 'record' : path}: ${issue?.message ?? 'invalid'}`}
}

async function* linesOf(
  input: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<{readonly line: number; readonly text: string}> {
  const decoder = new TextDecoder()
  let rest = ''
  let line = 0
  for await (const chunk of input) {
    const text = rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, {stream: true}))
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      line++
      const content = text.slice(from, end).trim()
      from = end + 1
      if (content !== '') yield {line, text: content}
    }
    rest = text.slice(from)
    if (rest.length > MAX_LINE) {
      throw new UserError('LINE_TOO_LONG', `line ${line + 1} is longer than ${MAX_LINE} characters`, {
        exitCode: ExitCode.invalidData,
        hints: ['records are one a line: is this NDJSON?'],
      })
    }
  }
  rest = (rest + decoder.decode()).trim()
  if (rest !== '') yield {line: line + 1, text: rest}
}
