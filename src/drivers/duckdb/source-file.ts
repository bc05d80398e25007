import {createHash, type Hash} from 'node:crypto'
import {createReadStream, createWriteStream} from 'node:fs'
import {open, stat} from 'node:fs/promises'
import path from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'
import {ExitCode, UserError} from '../../domain/errors.ts'

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
}

const MAGIC: readonly (readonly [string, string, string])[] = [
  ['504b0304', 'a zip archive', 'unzip it first and pass the CSV'],
  ['50415231', 'a Parquet file', 'use the source parquet: gpi ingest parquet FILE'],
  ['28b52ffd', 'a zstd file', 'decompress it first, or use gzip'],
  ['fd377a58', 'an xz file', 'decompress it first, or use gzip'],
  ['425a68', 'a bzip2 file', 'decompress it first, or use gzip'],
]

/** Hashes a file, decompressing it into `scratch` where it is gzip, and refuses what is not text. */
export const unpackSource = async (file: string, scratch: string): Promise<SourceFile> => {
  const bytes = (await stat(file)).size
  const head = await firstBytes(file, 8)
  const name = path.basename(file)
  if (bytes === 0) throw invalid('EMPTY_FILE', `${name} is empty`, ['check how it was made or downloaded'])
  for (const [magic, what, hint] of MAGIC) {
    if (head.toString('hex').startsWith(magic)) throw invalid('NOT_TEXT', `${name} is ${what}`, [hint])
  }
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
    if (!isBrokenGzip(error)) throw error
    truncated = true
    await salvage(file, plainPath)
  }
  // A broken stream has no digest of its own: name it by the bytes that were there.
  const sha256 = truncated ? await digestOf(file) : raw.digest('hex')
  const contentSha256 = truncated ? await digestOf(plainPath) : content.digest('hex')
  return checked({name, path: file, plainPath, bytes, sha256, contentSha256, truncated})
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
const salvage = async (file: string, plainPath: string): Promise<void> => {
  const gunzip = createGunzip()
  createReadStream(file).pipe(gunzip)
  await pipeline(wholeLines(gunzip), createWriteStream(plainPath))
}

async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  try {
    for await (const chunk of chunks) {
      const all = Buffer.concat([rest, chunk])
      const end = all.lastIndexOf(10) + 1
      rest = all.subarray(end)
      if (end > 0) yield all.subarray(0, end)
    }
  } catch (error) {
    // The break itself, which the caller has already seen and reports; what came before stands.
    if (!isBrokenGzip(error)) throw error
  }
}

const isBrokenGzip = (error: unknown): boolean => {
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
  if (sample.length === 0) {
    throw invalid('EMPTY_FILE', `${source.name} holds nothing`, ['check how it was made or downloaded'])
  }
  if (isBinary(sample)) {
    throw invalid('NOT_TEXT', `${source.name} is not text`, ['pass CSV, plain or gzip-compressed'])
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
