import {Readable} from 'node:stream'
import {z} from 'zod'
import {Rejects, readNdjson} from '../data/ndjson.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {SearchRequest, SearchResult} from '../memory/memory.ts'
import type {OpenMemory} from './memory.ts'
import {newestUs} from './memory-records.ts'
import {inputName, openInput} from './open-input.ts'
import {untilStopped} from './until-stopped.ts'

/** Searches between two writes of what they used. */
const FLUSH_EVERY = 1_000

export interface SearchEachOptions {
  readonly request: SearchRequest
  /** Counts the searches, and the patterns that answers rest on as used. */
  readonly isCounted: boolean
}

/**
 * Answers query after query. What an answer that does not abstain rests on counts as used, at the time of asking or, where
 * that is open, the newest time the bank knows of; counts are written every thousand searches and at the end.
 */
export async function* searchEach(
  memory: Pick<OpenMemory, 'bank' | 'flush' | 'countSearches'>,
  queries: AsyncIterable<Query>,
  {request, isCounted}: SearchEachOptions,
): AsyncGenerator<SearchResult> {
  const useUs = Math.min(request.asOfUs, newestUs(memory.bank))
  let searches = 0
  try {
    for await (const {line, vector} of queries) {
      const result = searchOne(memory.bank, vector, request, line)
      if (isCounted && !result.evidence.abstain) memory.bank.recordUse(result.usable, useUs)
      yield result
      if (isCounted && ++searches % FLUSH_EVERY === 0) await memory.flush()
    }
  } finally {
    if (isCounted) {
      await memory.countSearches()
      await memory.flush()
    }
  }
}

const searchOne = (bank: OpenMemory['bank'], vector: readonly number[], request: SearchRequest, line?: number) => {
  try {
    return bank.search(vector, request)
  } catch (error) {
    throw atLine(error, line)
  }
}

/** A query, and the line it was read from; no line for the one that was given as JSON itself. */
export interface Query {
  readonly line: number | undefined
  readonly vector: readonly number[]
}

/** Whether it is the query itself rather than where to read it. */
export const isInline = (from: string): boolean => from.startsWith('[') || from.startsWith('{')

/** Queries, one a line, or the one that is given as JSON itself. UserError naming the line that holds none. */
export async function* readQueries(from: string, signal?: AbortSignal): AsyncGenerator<Query> {
  const isGiven = isInline(from)
  let broken: string | undefined
  const rejects = new Rejects(({line, reason}) => {
    broken ??= isGiven ? reason : `line ${line} is ${reason}`
  })
  const stopIfBroken = (): void => {
    if (broken !== undefined) throw notAQuery(broken)
  }
  let count = 0
  const input = isGiven ? Readable.from([from]) : openInput(from)
  const records = readNdjson(input, rejects, z.unknown())
  for await (const {line, record} of untilStopped(records, {signal, input})) {
    stopIfBroken()
    count++
    yield {line: isGiven ? undefined : line, vector: queryOf(record, isGiven ? undefined : line)}
  }
  stopIfBroken()
  if (count === 0 && signal?.aborted !== true) throw notAQuery(`${inputName(from)} held none`)
}

/** A query from a JSON array, or from any record that carries a `vector`. */
const queryOf = (value: unknown, line: number | undefined): readonly number[] => {
  const vector = Array.isArray(value) ? value : (value as {vector?: unknown} | null)?.vector
  if (Array.isArray(vector) && vector.every(item => typeof item === 'number')) return vector
  throw notAQuery(line === undefined ? 'it was neither' : `line ${line} is neither`)
}

const notAQuery = (problem: string): UserError =>
  new UserError(
    'QUERY_INVALID',
    `a query must be a JSON array of 256 numbers or a record with a "vector"; ${problem}`,
    {
      hints: ['gpi embed … --out - | gpi memory search --vector -'],
      exitCode: ExitCode.invalidData,
    },
  )

/** The bank's refusal of a query, with the line that it came from. */
const atLine = (error: unknown, line: number | undefined): unknown =>
  error instanceof UserError && line !== undefined
    ? new UserError(error.code, `line ${line}: ${error.message}`, {exitCode: error.exitCode, hints: error.hints})
    : error
