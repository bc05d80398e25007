import {once} from 'node:events'
import {createReadStream, createWriteStream, existsSync, renameSync} from 'node:fs'
import process from 'node:process'
import {createInterface} from 'node:readline'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'
import {Pattern as PatternRecord} from '../data/records.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {MemoryBank} from '../memory/memory.ts'
import {patternOfRecord, recordOfPattern} from '../memory/pattern-records.ts'

/** One line of a pipe: a value, or why it is none. */
export type JsonLine =
  | {readonly kind: 'value'; readonly line: number; readonly value: unknown}
  | {readonly kind: 'invalid'; readonly line: number; readonly text: string; readonly problem: string}

/** NDJSON from a file (gzip by its name) or from standard input for `-`. Blank lines are skipped. */
export async function* readJsonLines(from: string): AsyncGenerator<JsonLine> {
  if (from !== '-' && !existsSync(from)) {
    throw new UserError('FILE_NOT_FOUND', `no such file: ${from}`, {hints: ['check the path, or - for standard input']})
  }
  const raw = from === '-' ? process.stdin : createReadStream(from)
  const input = from.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
  let line = 0
  for await (const text of createInterface({input, crlfDelay: Number.POSITIVE_INFINITY})) {
    line++
    if (text.trim() === '') continue
    yield parseLine(line, text)
  }
}

const parseLine = (line: number, text: string): JsonLine => {
  try {
    return {kind: 'value', line, value: JSON.parse(text)}
  } catch (error) {
    return {kind: 'invalid', line, text, problem: `not JSON (${(error as Error).message})`}
  }
}

export interface AddOptions {
  readonly from: string
  /** Assumed where a record does not say when its outcome was known. */
  readonly horizonUs: number
  /** Gets every refused line. */
  readonly rejectsFile?: string | undefined
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
  const lines = options.from.endsWith('.parquet') ? parquetLines(options.from) : readJsonLines(options.from)
  const rejects = options.rejectsFile === undefined ? undefined : createWriteStream(options.rejectsFile)
  const problems: string[] = []
  let [added, known, rejected] = [0, 0, 0]
  for await (const item of lines) {
    const outcome = item.kind === 'invalid' ? item.problem : addOne(bank, item.value, options.horizonUs)
    if (outcome === 'added') added++
    else if (outcome === 'known') known++
    else {
      rejected++
      if (problems.length < 5) problems.push(`line ${item.line}: ${outcome}`)
      const text = item.kind === 'invalid' ? item.text : JSON.stringify(item.value)
      if (rejects !== undefined && !rejects.write(`${text}\n`)) await once(rejects, 'drain')
    }
    if ((added + known) % 1_000 === 0) await options.flush()
  }
  await options.flush()
  if (rejects !== undefined) await new Promise<void>(resolve => rejects.end(() => resolve()))
  return {added, known, rejected, problems}
}

/** `added`, `known`, or what is wrong with the record. */
const addOne = (bank: MemoryBank, value: unknown, horizonUs: number): string => {
  const parsed = PatternRecord.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return `${issue?.path.join('.') || 'record'}: ${issue?.message}`
  }
  try {
    return bank.add(patternOfRecord(parsed.data, horizonUs))
  } catch (error) {
    if (error instanceof UserError || error instanceof RangeError) return error.message
    throw error
  }
}

async function* parquetLines(file: string): AsyncGenerator<JsonLine> {
  const {readPatternParquet} = await import('../drivers/duckdb/pattern-parquet.ts')
  let line = 0
  for await (const value of readPatternParquet(file)) yield {kind: 'value', line: ++line, value}
}

/** A query from a JSON array, or from any record that carries a `vector`. */
export const queryOf = (value: unknown): readonly number[] => {
  const vector = Array.isArray(value) ? value : (value as {vector?: unknown} | null)?.vector
  if (Array.isArray(vector) && vector.every(item => typeof item === 'number')) return vector
  throw new UserError('QUERY_INVALID', 'a query must be a JSON array of 256 numbers or a record with a "vector"', {
    hints: [`gpi embed … --out - | gpi memory search --vector -`],
    exitCode: ExitCode.invalidData,
  })
}

/** The value of a line; UserError naming the line when it is not JSON. */
export const requireValue = (line: JsonLine): unknown => {
  if (line.kind === 'value') return line.value
  throw new UserError('NOT_JSON', `line ${line.line} is ${line.problem}`, {exitCode: ExitCode.invalidData})
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
