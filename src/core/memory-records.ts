import {closeSync, createWriteStream, existsSync, openSync, renameSync, rmSync, writeSync} from 'node:fs'
import process from 'node:process'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import type {z} from 'zod'
import {type NumberedRecord, Rejects, readNdjson} from '../data/ndjson.ts'
import {Pattern as PatternRecord} from '../data/records.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {MemoryBank, NewPattern} from '../memory/memory.ts'
import {type StoredPattern, unitVector} from '../memory/pattern.ts'
import {patternOfRecord, recordOfPattern} from '../memory/pattern-records.ts'
import type {PatternStore} from '../memory/pattern-store.ts'
import {openInput} from './open-input.ts'
import {untilStopped} from './until-stopped.ts'
import {isDevice} from './write-beside.ts'

export interface AddOptions {
  readonly from: string
  /** Assumed where a record does not say when its outcome was known. */
  readonly horizonUs: number
  /** Gets every refused line. */
  readonly rejectsFile?: string | undefined
  /** Stops the reading early; what was read is kept. */
  readonly signal?: AbortSignal
  /** Called about every thousand records, to make them durable. */
  readonly flush: () => Promise<void>
}

export interface AddResult {
  readonly added: number
  /** Patterns that were there already; outcomes they lacked were added to them. */
  readonly known: number
  readonly rejected: number
  /** Known patterns that came with another vector, symbol, strategy, regime or time; the stored one stays. */
  readonly conflicting: number
  /** The first few refusals and conflicts, in words. */
  readonly problems: readonly string[]
  /** The reading was ended by a signal; everything counted is durable. */
  readonly stopped: boolean
}

/** Adds pattern records from NDJSON or a Parquet file. Refused records are counted and named; the rest is added. */
export const addRecords = async (bank: MemoryBank, options: AddOptions): Promise<AddResult> => {
  const rejectsFile = options.rejectsFile === undefined ? undefined : openSync(options.rejectsFile, 'w')
  const problems: string[] = []
  const note = (problem: string): void => {
    if (problems.length < 5) problems.push(problem)
  }
  const rejects = new Rejects(({line, reason, text}) => {
    note(`line ${line}: ${reason}`)
    if (rejectsFile !== undefined) writeSync(rejectsFile, `${text}\n`)
  })
  const isParquet = options.from.endsWith('.parquet')
  const input = isParquet ? undefined : openInput(options.from)
  const records = input === undefined ? readParquet(options.from, rejects) : readNdjson(input, rejects, PatternRecord)
  const count = {added: 0, known: 0, conflicting: 0}
  try {
    for await (const {line, record} of untilStopped(records, {signal: options.signal, input})) {
      const outcome = addOne(bank, record, options.horizonUs)
      if (typeof outcome !== 'string') {
        rejects.add({line, reason: outcome.refused, text: JSON.stringify(record)})
        continue
      }
      if (outcome === 'conflicting') {
        count.conflicting++
        note(`line ${line}: pattern ${record.id} is stored with another vector or context, which stays`)
      }
      count[outcome === 'added' ? 'added' : 'known']++
      if ((count.added + count.known) % 1_000 === 0) await options.flush()
    }
  } finally {
    if (rejectsFile !== undefined) closeSync(rejectsFile)
  }
  await options.flush()
  return {...count, rejected: rejects.count, problems, stopped: options.signal?.aborted === true}
}

type AddOutcome = 'added' | 'known' | 'conflicting' | {readonly refused: string}

const addOne = (bank: MemoryBank, record: z.output<typeof PatternRecord>, horizonUs: number): AddOutcome => {
  try {
    const pattern = patternOfRecord(record, horizonUs)
    const stored = bank.get(pattern.id)
    const outcome = bank.add(pattern)
    return stored !== undefined && !isSame(stored, pattern) ? 'conflicting' : outcome
  } catch (error) {
    if (error instanceof UserError || error instanceof RangeError) return {refused: error.message}
    throw error
  }
}

/** Of the direction alone: a vector that was stored is of unit length. */
const isSame = (stored: StoredPattern, given: NewPattern): boolean => {
  const {symbol, strategy, regime, tsUs} = given
  if (stored.symbol !== symbol || stored.strategy !== strategy || stored.regime !== regime || stored.tsUs !== tsUs) {
    return false
  }
  const vector = unitVector(given.vector, `pattern ${given.id}`)
  return stored.vector.every((value, i) => Math.abs(value - (vector[i] as number)) < 1e-6)
}

async function* readParquet(
  file: string,
  rejects: Rejects,
): AsyncGenerator<NumberedRecord<z.output<typeof PatternRecord>>> {
  const {readPatternParquet} = await import('../drivers/duckdb/pattern-parquet.ts')
  if (!existsSync(file)) throw new UserError('FILE_NOT_FOUND', `no such file: ${file}`, {hints: ['check the path']})
  let line = 0
  for await (const row of readable(readPatternParquet(file), file)) {
    line++
    const parsed = PatternRecord.safeParse(row)
    const [issue] = parsed.error?.issues ?? []
    if (parsed.success) yield {line, record: parsed.data}
    else rejects.add({line, reason: `${issue?.path.join('.')}: ${issue?.message}`, text: JSON.stringify(row)})
  }
}

/** DuckDB's refusal of the file as what a person can act on. */
async function* readable<T>(rows: AsyncIterable<T>, file: string): AsyncGenerator<T> {
  try {
    yield* rows
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n')
    if (!/^(Invalid Input|Binder|IO|Conversion|Serialization) Error|^Invalid Error/.test(reason)) throw error
    throw new UserError('PARQUET_INVALID', `${file} cannot be read as Parquet: ${reason}`, {
      exitCode: ExitCode.invalidData,
      hints: ['check the file; NDJSON is read from any other name'],
    })
  }
}

export const numberFlag = (flag: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new UserError('NUMBER_INVALID', `--${flag} must be a number, was "${text}"`)
  }
  return value
}

/** The latest event time the bank knows of; 0 for an empty bank. */
export const newestUs = (bank: MemoryBank): number => {
  let newest = 0
  for (const {tsUs, lastUseUs, observations} of bank.patterns()) {
    newest = Math.max(newest, tsUs, lastUseUs, observations.at(-1)?.atUs ?? 0)
  }
  return newest
}

/** Every document of the store as a record, a batch in memory at a time. */
export async function* patternRecords(store: PatternStore): AsyncGenerator<ReturnType<typeof recordOfPattern>> {
  for await (const pattern of documentsOf(store)) yield recordOfPattern(pattern)
}

async function* documentsOf(store: PatternStore): AsyncGenerator<StoredPattern> {
  for await (const {changed} of store.changesSince(0)) yield* changed
}

/**
 * Writes every document beside the file and moves it into place, so a stopped export leaves no half file. Returns how many.
 * Needs the memory of one batch, however large the bank.
 */
export const writeRecords = async (store: PatternStore, file: string, signal?: AbortSignal): Promise<number> => {
  const isDirect = isDevice(file)
  const beside = isDirect ? file : `${file}.${process.pid}.tmp`
  let count = 0
  async function* counted(): AsyncGenerator<StoredPattern> {
    for await (const pattern of documentsOf(store)) {
      signal?.throwIfAborted()
      count++
      yield pattern
    }
  }
  try {
    if (file.endsWith('.parquet')) {
      const {writePatternParquet} = await import('../drivers/duckdb/pattern-parquet.ts')
      await writePatternParquet(beside, counted())
    } else {
      await pipeline(Readable.from(linesOf(counted())), createWriteStream(beside))
    }
    if (!isDirect) renameSync(beside, file)
  } catch (error) {
    if (!isDirect) rmSync(beside, {force: true})
    throw writeTrouble(error, file)
  }
  return count
}

async function* linesOf(patterns: AsyncIterable<StoredPattern>): AsyncGenerator<string> {
  for await (const pattern of patterns) yield `${JSON.stringify(recordOfPattern(pattern))}\n`
}

/** What stands in the way of writing a file, for a person; anything else as it is. */
const writeTrouble = (error: unknown, file: string): unknown => {
  const {code, message} = error as NodeJS.ErrnoException
  const isFull = code === 'ENOSPC' || /No space left on device/i.test(message)
  if (isFull) {
    return new UserError('DISK_FULL', `cannot write ${file}: the disk is full`, {
      hints: ['free some space, or name another folder with --out; nothing was left half-written'],
      exitCode: ExitCode.failure,
    })
  }
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR' || code === 'ENOTDIR') {
    return new UserError('FILE_UNWRITABLE', `cannot write ${file}: ${message}`, {hints: ['check the folder of --out']})
  }
  return error
}
