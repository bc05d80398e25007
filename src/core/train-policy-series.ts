import {existsSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {sha256} from '../models/model-file.ts'
import {writeWhole} from './model-files.ts'

/** The account of one strategy that traded one market alone, sampled as the engine did. */
export interface StreamSeries {
  readonly tsUs: Float64Array
  readonly equityMicros: Float64Array
  readonly grossMicros: Float64Array
  /** Value traded since the start. */
  readonly tradedMicros: Float64Array
  /** Fees, spread and slippage of the whole run. */
  readonly costMicros: number
  readonly fills: number
  readonly calendar: 'us-equity' | 'continuous'
  /** Why it could not run, empty when it could; its columns are then empty. */
  readonly idle: string
}

const MAGIC = 'GPISTRM1'
const COLUMNS = ['tsUs', 'equityMicros', 'grossMicros', 'tradedMicros'] as const
const START = MAGIC.length + 4

export const seriesFile = (cache: string, id: string): string => path.join(cache, `${id}.stream`)

/** A magic word, a JSON header with a checksum, then the four columns as raw little-endian float64. */
export const writeSeries = (file: string, series: StreamSeries): void => {
  const {tsUs, costMicros, fills, calendar, idle} = series
  const body = new Uint8Array(COLUMNS.length * tsUs.length * 8)
  for (const [c, name] of COLUMNS.entries()) {
    const column = series[name]
    body.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), c * tsUs.length * 8)
  }
  const header = {count: tsUs.length, costMicros, fills, calendar, idle, sha256: sha256(body)}
  const text = new TextEncoder().encode(JSON.stringify(header))
  const out = new Uint8Array(START + text.length + body.length)
  out.set(new TextEncoder().encode(MAGIC))
  new DataView(out.buffer).setUint32(MAGIC.length, text.length, true)
  out.set(text, START)
  out.set(body, START + text.length)
  writeWhole(file, out)
}

/** Undefined where there is none, or none that is whole: it is then made again. */
export const readSeries = (file: string): StreamSeries | undefined => {
  if (!existsSync(file)) return undefined
  const bytes = new Uint8Array(readFileSync(file))
  if (bytes.length < START || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true)
  if (START + length > bytes.length) return undefined
  const {count, sha256: expected, ...rest} = JSON.parse(new TextDecoder().decode(bytes.subarray(START, START + length)))
  const body = bytes.slice(START + length)
  if (sha256(body) !== expected) return undefined
  const column = (c: number): Float64Array => new Float64Array(body.buffer, c * count * 8, count)
  return {...rest, tsUs: column(0), equityMicros: column(1), grossMicros: column(2), tradedMicros: column(3)}
}
