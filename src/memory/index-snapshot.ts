import {crc32} from 'node:zlib'

/** A saved index with the documents it stands for: good as long as the checksum holds, whatever the store did since. */
export interface IndexSnapshot {
  readonly kind: string
  readonly dimension: number
  /** Revision of the store whose hot documents the index holds. */
  readonly revision: number
  readonly keys: ReadonlyMap<string, number>
  readonly index: Uint8Array
}

const MAGIC = 'gpi-index-3\n'

/** [magic, crc32 of the rest, length of the head, head as JSON, index], little-endian. */
export const encodeSnapshot = ({index, keys, ...rest}: IndexSnapshot): Uint8Array => {
  const head = Buffer.from(JSON.stringify({...rest, keys: [...keys]}))
  const body = Buffer.concat([uint32(head.length), head, index])
  return Buffer.concat([Buffer.from(MAGIC), uint32(crc32(body)), body])
}

export type DecodedSnapshot =
  | {readonly kind: 'ok'; readonly snapshot: IndexSnapshot}
  | {readonly kind: 'corrupt'; readonly problem: string}
  /** Of another version of gpi: whole perhaps, but not to be read. */
  | {readonly kind: 'other-version'}

/** The snapshot, or what is wrong with it. */
export const decodeSnapshot = (bytes: Uint8Array): DecodedSnapshot => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = MAGIC.length
  const magic = buffer.toString('latin1', 0, start)
  if (magic !== MAGIC && /^gpi-index-\d/.test(magic)) return {kind: 'other-version'}
  if (buffer.length < start + 8 || magic !== MAGIC) return {kind: 'corrupt', problem: 'it is not an index'}
  const body = buffer.subarray(start + 4)
  if (crc32(body) !== buffer.readUInt32LE(start)) return {kind: 'corrupt', problem: 'its checksum does not match'}
  const end = 4 + body.readUInt32LE(0)
  const {keys, ...head} = JSON.parse(body.toString('utf8', 4, end))
  return {kind: 'ok', snapshot: {...head, keys: new Map(keys), index: body.subarray(end)}}
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
