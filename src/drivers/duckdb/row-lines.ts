import {createReadStream} from 'node:fs'
import {createInterface} from 'node:readline'
import type {ParseReject} from './csv-table.ts'

export interface RowLine {
  /** From 1, as an editor counts. */
  readonly line: number
  readonly text: string
}

/** A quoted field that goes on for more lines than this was never closed. */
const LONGEST_RECORD = 1_000

/**
 * Where rows of the raw table stand in their file: blank lines are no rows, rows that did not parse are missing from the
 * table, and a quoted field may hold line breaks. `skip` lines come before the first row. The rejects' lines, which DuckDB
 * counts by records, come back as the file's.
 */
export const rowLines = async (
  file: string,
  {skip, delimiter}: {readonly skip: number; readonly delimiter: string},
  wanted: ReadonlySet<number>,
  rejects: readonly ParseReject[],
): Promise<{readonly rows: Map<number, RowLine>; readonly rejects: ParseReject[]}> => {
  const rows = new Map<number, RowLine>()
  const moved: ParseReject[] = []
  const rejectAt = new Map(rejects.map(reject => [reject.line, reject]))
  let physical = 0
  let logical = 0
  let row = 0
  let record = ''
  let from = 0
  let isQuoted = false
  for await (const text of createInterface({input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY})) {
    physical++
    if (physical <= skip) {
      logical++
      continue
    }
    if (!isQuoted) {
      logical++
      if (text === '') continue
      record = text
      from = physical
    } else if (physical - from < LONGEST_RECORD) record += `\n${text}`
    isQuoted = endsQuoted(text, delimiter, isQuoted) && physical - from < LONGEST_RECORD
    if (isQuoted) continue
    const reject = rejectAt.get(logical)
    if (reject !== undefined) moved.push({...reject, line: from})
    else if (wanted.has(row++)) rows.set(row - 1, {line: from, text: record})
    if (rows.size === wanted.size && moved.length === rejects.length) break
  }
  return {rows, rejects: moved.length === rejects.length ? moved : [...rejects]}
}

/** Whether a line ends inside a quoted field; a quote opens one only where a field begins. */
const endsQuoted = (text: string, delimiter: string, wasQuoted: boolean): boolean => {
  if (!text.includes('"')) return wasQuoted
  let isQuoted = wasQuoted
  let isStart = !wasQuoted
  for (const char of text) {
    if (char === '"' && (isQuoted || isStart)) isQuoted = !isQuoted
    isStart = char === delimiter || (isStart && char === ' ')
  }
  return isQuoted
}
