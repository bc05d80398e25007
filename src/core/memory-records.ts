import {closeSync, createWriteStream, existsSync, openSync, renameSync, writeSync} from 'node:fs'
import process from 'node:process'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {z} from 'zod'
import {type NumberedRecord, Rejects, readNdjson} from '../data/ndjson.ts'
import {Pattern as PatternRecord} from '../data/records.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {MemoryBank} from '../memory/memory.ts'
import {patternOfRecord, recordOfPattern} from '../memory/pattern-records.ts'
import {openInput} from './open-input.ts'

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
  /** The first few refusals, in words. */
  readonly problems: readonly string[]
}

/** Adds pattern records from NDJSON or a Parquet file. Refused records are counted and named; the rest is added. */
export const addRecords = async (bank: MemoryBank, options: AddOptions): Promise<AddResult> => {
  const rejectsFile = options.rejectsFile === undefined ? undefined : openSync(options.rejectsFile, 'w')
  const problems: string[] = []
  const rejects = new Rejects(({line, reason, text}) => {
    if (problems.length < 5) problems.push(`line ${line}: ${reason}`)
    if (rejectsFile !== undefined) writeSync(rejectsFile, `${text}\n`)
  })
  const records = options.from.endsWith('.parquet')
    ? readParquet(options.from, rejects)
    : readNdjson(openInput(options.from), rejects, PatternRecord)
  let [added, known] = [0, 0]
  try {
    for await (const {line, record} of records) {
      const outcome = addOne(bank, record, options.horizonUs)
      if (outcome === 'added') added++
      else if (outcome === 'known') known++
      else rejects.add({line, reason: outcome, text: JSON.stringify(record)})
      if ((added + known) % 1_000 === 0) await options.flush()
      if (options.signal?.aborted) break
    }
  } finally {
    if (rejectsFile !== undefined) closeSync(rejectsFile)
  }
  await options.flush()
  return {added, known, rejected: rejects.count, problems}
}

/** `added`, `known`, or why the bank will not have it. */
const addOne = (bank: MemoryBank, record: z.output<typeof PatternRecord>, horizonUs: number): string => {
  try {
    return bank.add(patternOfRecord(record, horizonUs))
  } catch (error) {
    if (error instanceof UserError || error instanceof RangeError) return error.message
    throw error
  }
}

async function* readParquet(
  file: string,
  rejects: Rejects,
): AsyncGenerator<NumberedRecord<z.output<typeof PatternRecord>>> {
  const {readPatternParquet} = await import('../drivers/duckdb/pattern-parquet.ts')
  if (!existsSync(file)) throw new UserError('FILE_NOT_FOUND', `no such file: ${file}`, {hints: ['check the path']})
  let line = 0
  for await (const row of readPatternParquet(file)) {
    line++
    const parsed = PatternRecord.safeParse(row)
    const [issue] = parsed.error?.issues ?? []
    if (parsed.success) yield {line, record: parsed.data}
    else rejects.add({line, reason: `${issue?.path.join('.')}: ${issue?.message}`, text: JSON.stringify(row)})
  }
}

/** Query vectors, one a line, or the one that is given as JSON itself. UserError naming the line that holds none. */
export async function* readQueries(from: string): AsyncGenerator<readonly number[]> {
  const rejects = new Rejects()
  const input = from.startsWith('[') || from.startsWith('{') ? Readable.from([from]) : openInput(from)
  for await (const {record} of readNdjson(input, rejects, z.unknown())) {
    rejects.throwIfAny(from)
    yield queryOf(record)
  }
  rejects.throwIfAny(from)
}

/** A query from a JSON array, or from any record that carries a `vector`. */
const queryOf = (value: unknown): readonly number[] => {
  const vector = Array.isArray(value) ? value : (value as {vector?: unknown} | null)?.vector
  if (Array.isArray(vector) && vector.every(item => typeof item === 'number')) return vector
  throw new UserError('QUERY_INVALID', 'a query must be a JSON array of 256 numbers or a record with a "vector"', {
    hints: [`gpi embed … --out - | gpi memory search --vector -`],
    exitCode: ExitCode.invalidData,
  })
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

export function* patternRecords(bank: MemoryBank): Generator<ReturnType<typeof recordOfPattern>> {
  for (const pattern of bank.patterns()) yield recordOfPattern(pattern)
}

/** Writes beside the file and moves it into place, so a stopped export leaves no half file. */
export const writeRecords = async (bank: MemoryBank, file: string): Promise<void> => {
  const beside = `${file}.${process.pid}.tmp`
  if (file.endsWith('.parquet')) {
    const {writePatternParquet} = await import('../drivers/duckdb/pattern-parquet.ts')
    await writePatternParquet(beside, bank.patterns())
  } else {
    const lines = Readable.from(
      (function* () {
        for (const record of patternRecords(bank)) yield `${JSON.stringify(record)}\n`
      })(),
    )
    await pipeline(lines, createWriteStream(beside))
  }
  renameSync(beside, file)
}
