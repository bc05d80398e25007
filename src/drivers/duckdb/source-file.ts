import {createHash, type Hash} from 'node:crypto'
import {closeSync, createReadStream, createWriteStream, openSync, writeSync} from 'node:fs'
import {open, stat} from 'node:fs/promises'
import path from 'node:path'
import type {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {firstZipEntry, type ZipEntry, zipContent, zipEntries, zipStream} from './zip-file.ts'

/** A source file made ready to parse: plain text on disk, hashed on the way. */
export interface SourceFile {
  readonly name: string
  readonly path: string
  /** The decompressed copy, or the file itself when it was plain. */
  readonly plainPath: string
  readonly bytes: number
  /** SHA-256 of the file as it lies on disk. */
  readonly sha256: string
  /** SHA-256 of the decompressed content. */
  readonly contentSha256: string
  /** The compressed stream broke off; `plainPath` holds what came before. */
  readonly truncated: boolean
  /** Names of the columns of a file that has no header. */
  readonly header?: readonly string[]
}

const MAGIC: readonly (readonly [string, string, string])[] = [
  ['50415231', 'a Parquet file', 'use the source parquet: gpi ingest parquet FILE'],
  ['28b52ffd', 'a zstd file', 'decompress it first, or use gzip'],
  ['fd377a58', 'an xz file', 'decompress it first, or use gzip'],
  ['425a68', 'a bzip2 file', 'decompress it first, or use gzip'],
]

/** A file to read, or one of the files of a zip archive. */
export interface SourceRef {
  readonly file: string
  /** One of several in the archive. */
  readonly entry?: ZipEntry
}

const isZip = (head: Buffer): boolean => /^504b(0304|0506)/.test(head.toString('hex'))

/** The tables of a zip archive, one by one; the file itself where it is no archive, or a broken one. */
export const sourceRefs = async (file: string): Promise<SourceRef[]> => {
  if (!isZip(await firstBytes(file, 4))) return [{file}]
  const entries = await zipEntries(file)
  if (entries === undefined) return [{file}]
  const tables = tablesOf(entries)
  if (tables.length === 0) {
    throw invalid('NO_FILES', `${path.basename(file)} holds no table`, [
      `it holds ${
        entries
          .map(({name}) => name)
          .slice(0, 5)
          .join(', ') || 'nothing'
      }`,
    ])
  }
  return tables.map(entry => ({file, entry}))
}

/** The CSV files of an archive; its text files where it has none. */
const tablesOf = (entries: readonly ZipEntry[]): ZipEntry[] => {
  const files = entries.filter(({name}) => !name.endsWith('/') && !/(^|\/)(\.|__MACOSX)/.test(name))
  const tables = files.filter(({name}) => /\.csv$/i.test(name))
  return tables.length > 0 ? tables : files.filter(({name}) => /\.(txt|tsv)$/i.test(name))
}

/** Hashes a file, decompressing it into `scratch` where it is gzip or zip, and refuses what is not text. */
export const unpackSource = async (ref: SourceRef | string, scratch: string): Promise<SourceFile> => {
  const {file, entry} = typeof ref === 'string' ? {file: ref, entry: undefined} : ref
  const bytes = (await stat(file)).size
  const head = await firstBytes(file, 8)
  const name = path.basename(entry?.name ?? file)
  if (bytes === 0) throw invalid('EMPTY_FILE', `${name} is empty`, ['check how it was made or downloaded'])
  for (const [magic, what, hint] of MAGIC) {
    if (head.toString('hex').startsWith(magic)) throw invalid('NOT_TEXT', `${name} is ${what}`, [hint])
  }
  if (isZip(head)) return unpackZip(file, entry, scratch)
  const raw = createHash('sha256')
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    await pipeline(createReadStream(file, {highWaterMark: 1 << 20}), hashed(raw), drain)
    const sha256 = raw.digest('hex')
    return checked({name, path: file, plainPath: file, bytes, sha256, contentSha256: sha256, truncated: false})
  }
  const content = createHash('sha256')
  const plainPath = path.join(scratch, `${name.replace(/\.gz$/i, '')}.plain`)
  let truncated = false
  try {
    await pipeline(
      createReadStream(file, {highWaterMark: 1 << 18}),
      hashed(raw),
      createGunzip({chunkSize: 1 << 18}),
      hashed(content),
      createWriteStream(plainPath, {highWaterMark: 1 << 20}),
    )
  } catch (error) {
    if (!isBroken(error)) throw error
    truncated = true
    await salvage(createReadStream(file).pipe(createGunzip()), plainPath)
  }
  // A broken stream has no digest of its own: name it by the bytes that were there.
  const sha256 = truncated ? await digestOf(file) : raw.digest('hex')
  const contentSha256 = truncated ? await digestOf(plainPath) : content.digest('hex')
  return checked({name, path: file, plainPath, bytes, sha256, contentSha256, truncated})
}

const unpackZip = async (file: string, given: ZipEntry | undefined, scratch: string): Promise<SourceFile> => {
  const [only] = given === undefined ? tablesOf((await zipEntries(file)) ?? []) : [given]
  const entry = only ?? (await firstZipEntry(file))
  const name = path.basename(entry.name)
  const plainPath = path.join(scratch, `${name}.plain`)
  let truncated = only === undefined
  const content = createHash('sha256')
  try {
    if (!truncated) await pipeline(zipContent(file, entry), hashed(content), createWriteStream(plainPath))
  } catch (error) {
    if (!isBroken(error)) throw error
    truncated = true
  }
  if (truncated) await salvage(await zipStream(file, entry), plainPath)
  const about = {name, path: file, plainPath, bytes: (await stat(file)).size, sha256: await digestOf(file), truncated}
  return checked({...about, contentSha256: truncated ? await digestOf(plainPath) : content.digest('hex')})
}

/** A file taken as it is, whatever it holds. */
export const hashSource = async (file: string): Promise<SourceFile> => {
  const bytes = (await stat(file)).size
  const name = path.basename(file)
  if (bytes === 0) throw invalid('EMPTY_FILE', `${name} is empty`, ['check how it was made or downloaded'])
  const sha256 = await digestOf(file)
  return {name, path: file, plainPath: file, bytes, sha256, contentSha256: sha256, truncated: false}
}

/** Writes everything that decompresses before the break, up to the last whole line. */
const salvage = async (content: Readable, plainPath: string): Promise<void> => {
  const output = openSync(plainPath, 'w')
  let rest: Buffer = Buffer.alloc(0)
  try {
    await new Promise<void>((resolve, reject) => {
      // Listening, not iterating: a stream that fails throws away what nobody has fetched yet.
      content.on('data', (chunk: Buffer) => {
        const all = Buffer.concat([rest, chunk])
        const end = all.lastIndexOf(10) + 1
        writeSync(output, all.subarray(0, end))
        rest = all.subarray(end)
      })
      content.once('end', resolve)
      content.once('error', error => (isBroken(error) ? resolve() : reject(error)))
    })
  } finally {
    closeSync(output)
  }
}

const isBroken = (error: unknown): boolean => {
  const {code} = error as NodeJS.ErrnoException
  return code === 'Z_BUF_ERROR' || code === 'Z_DATA_ERROR'
}

const digestOf = async (file: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, {highWaterMark: 1 << 20}), hashed(hash), drain)
  return hash.digest('hex')
}

const hashed = (hash: Hash) =>
  async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }

const drain = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _ of chunks);
}

const checked = async (source: SourceFile): Promise<SourceFile> => {
  const sample = await firstBytes(source.plainPath, 1 << 16)
  if (sample.length === 0 && source.truncated) {
    throw invalid('TRUNCATED_FILE', `${source.name}: the compressed stream breaks off before the first line`, [
      'fetch the file again',
    ])
  }
  if (sample.length === 0) {
    throw invalid('EMPTY_FILE', `${source.name} holds nothing`, ['check how it was made or downloaded'])
  }
  if (isBinary(sample)) {
    const isWide = /^(fffe|feff)/.test(sample.toString('hex', 0, 2))
    throw invalid('NOT_TEXT', `${source.name} is ${isWide ? 'UTF-16 text' : 'not text'}`, [
      isWide ? 'save it as UTF-8, for example iconv -f UTF-16 -t UTF-8' : 'pass CSV, plain, gzip-compressed or zipped',
    ])
  }
  return source
}

/** A NUL byte, or a share of control characters no table has. */
const isBinary = (sample: Buffer): boolean => {
  let odd = 0
  for (const byte of sample) {
    if (byte === 0) return true
    if (byte < 9 || (byte > 13 && byte < 32)) odd++
  }
  return odd * 50 > sample.length
}

export const firstBytes = async (file: string, count: number): Promise<Buffer> => {
  const handle = await open(file)
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(count), 0, count, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

const invalid = (code: string, message: string, hints: readonly string[]): UserError =>
  new UserError(code, message, {hints, exitCode: ExitCode.invalidData})
