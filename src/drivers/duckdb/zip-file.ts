import {createReadStream} from 'node:fs'
import {open, stat} from 'node:fs/promises'
import path from 'node:path'
import {Readable} from 'node:stream'
import {crc32, createInflateRaw} from 'node:zlib'
import {ExitCode, UserError} from '../../domain/errors.ts'

/** A file inside a zip archive. */
export interface ZipEntry {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly size: number
  readonly packedSize: number
  /** Where its local header begins. */
  readonly at: number
}

const END = 0x06054b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
const END_64 = 0x07064b50
const WIDE = 0xffffffff
const STORED = 0
const DEFLATED = 8

/** The entries of an archive, or undefined where its end, which lists them, is missing. Format: PKWARE APPNOTE 6.3. */
export const zipEntries = async (file: string): Promise<ZipEntry[] | undefined> => {
  const {size} = await stat(file)
  const tail = await bytesAt(file, Math.max(0, size - 65_557), Math.min(size, 65_557))
  const end = tail.lastIndexOf(little(END))
  if (end < 0 || end + 22 > tail.length) return undefined
  let count = tail.readUInt16LE(end + 10)
  let length = tail.readUInt32LE(end + 12)
  let at = tail.readUInt32LE(end + 16)
  if (end >= 20 && tail.readUInt32LE(end - 20) === END_64) {
    const wide = await bytesAt(file, Number(tail.readBigUInt64LE(end - 12)), 56)
    count = Number(wide.readBigUInt64LE(32))
    length = Number(wide.readBigUInt64LE(40))
    at = Number(wide.readBigUInt64LE(48))
  }
  const directory = await bytesAt(file, at, length)
  const entries: ZipEntry[] = []
  for (let i = 0, pos = 0; i < count; i++) {
    if (pos + 46 > directory.length || directory.readUInt32LE(pos) !== ENTRY) throw corrupt(file, 'its list of files')
    const nameLength = directory.readUInt16LE(pos + 28)
    const extraLength = directory.readUInt16LE(pos + 30)
    const extra = directory.subarray(pos + 46 + nameLength, pos + 46 + nameLength + extraLength)
    const [unpacked, packedSize, offset] = wideSizes(extra, [
      directory.readUInt32LE(pos + 24),
      directory.readUInt32LE(pos + 20),
      directory.readUInt32LE(pos + 42),
    ])
    if ((directory.readUInt16LE(pos + 8) & 1) === 1) throw corrupt(file, 'encryption', 'is encrypted')
    entries.push({
      name: directory.toString('utf8', pos + 46, pos + 46 + nameLength),
      method: directory.readUInt16LE(pos + 10),
      crc: directory.readUInt32LE(pos + 16),
      size: unpacked,
      packedSize,
      at: offset,
    })
    pos += 46 + nameLength + extraLength + directory.readUInt16LE(pos + 32)
  }
  return entries
}

/** The entry that begins at the archive's start, as far as its own header tells: what is left of a broken archive. */
export const firstZipEntry = async (file: string): Promise<ZipEntry> => {
  const header = await bytesAt(file, 0, 30)
  const {size} = await stat(file)
  if (header.length < 30 || header.readUInt32LE(0) !== LOCAL) throw corrupt(file, 'its first header')
  const nameLength = header.readUInt16LE(26)
  const name = (await bytesAt(file, 30, nameLength)).toString('utf8')
  return {name, method: header.readUInt16LE(8), crc: 0, size: 0, packedSize: size, at: 0}
}

/** An entry's content, checked against its sum at the end. */
export async function* zipContent(file: string, entry: ZipEntry): AsyncGenerator<Buffer> {
  let sum = 0
  for await (const chunk of (await zipStream(file, entry)) as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (sum !== entry.crc) throw corrupt(file, entry.name)
}

/** An entry's content as far as it goes. */
export const zipStream = async (file: string, entry: ZipEntry): Promise<Readable> => {
  const header = await bytesAt(file, entry.at, 30)
  if (header.length < 30 || header.readUInt32LE(0) !== LOCAL) throw corrupt(file, entry.name)
  const start = entry.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw corrupt(file, entry.name, `packs ${entry.name} by method ${entry.method}, which is not read here`)
  }
  if (entry.packedSize === 0) return Readable.from([])
  const packed = createReadStream(file, {start, end: start + entry.packedSize - 1, highWaterMark: 1 << 18})
  if (entry.method === STORED) return packed
  const content = packed.pipe(createInflateRaw({chunkSize: 1 << 18}))
  packed.once('error', error => content.destroy(error))
  return content
}

const wideSizes = (extra: Buffer, sizes: readonly [number, number, number]): [number, number, number] => {
  if (!sizes.includes(WIDE)) return [...sizes]
  for (let pos = 0; pos + 4 <= extra.length; pos += 4 + extra.readUInt16LE(pos + 2)) {
    if (extra.readUInt16LE(pos) !== 1) continue
    let field = pos + 4
    return sizes.map(size => {
      if (size !== WIDE) return size
      field += 8
      return Number(extra.readBigUInt64LE(field - 8))
    }) as [number, number, number]
  }
  return [...sizes]
}

const little = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const bytesAt = async (file: string, at: number, count: number): Promise<Buffer> => {
  const handle = await open(file)
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(count), 0, count, at)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

const corrupt = (file: string, what: string, problem = `is damaged at ${what}`): UserError =>
  new UserError('DAMAGED_ZIP', `${path.basename(file)} ${problem}`, {
    exitCode: ExitCode.invalidData,
    hints: ['fetch the file again', 'or unzip it by other means and pass the CSV'],
  })
