/**
 * MessagePack for the market-data streams: maps, arrays, strings, numbers, booleans, null, and the timestamp extension
 * (type -1), which is how the service sends times. Source: msgpack spec.md, "Timestamp extension type".
 */
export class Timestamp {
  readonly atUs: number
  constructor(atUs: number) {
    this.atUs = atUs
  }
}

export class MsgpackWriter {
  #buffer = Buffer.allocUnsafe(1_024)
  #length = 0

  /** The bytes of one value, in memory of their own. */
  encode(value: unknown): Buffer {
    this.#length = 0
    this.#write(value)
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  #byte(value: number): void {
    this.#room(1)
    this.#buffer[this.#length++] = value
  }

  #write(value: unknown): void {
    if (value === null || value === undefined) this.#byte(0xc0)
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'string') this.#string(value)
    else if (value instanceof Timestamp) this.#timestamp(value.atUs)
    else if (Array.isArray(value)) {
      this.#header(value.length, 0x90, 0xdc)
      for (const item of value) this.#write(item)
    } else {
      const entries = Object.entries(value as Record<string, unknown>).filter(([, item]) => item !== undefined)
      this.#header(entries.length, 0x80, 0xde)
      for (const [key, item] of entries) {
        this.#string(key)
        this.#write(item)
      }
    }
  }

  #header(length: number, fix: number, wide: number): void {
    if (length < 16) this.#byte(fix | length)
    else if (length < 65_536) {
      this.#room(3)
      this.#buffer[this.#length] = wide
      this.#buffer.writeUInt16BE(length, this.#length + 1)
      this.#length += 3
    } else {
      this.#room(5)
      this.#buffer[this.#length] = wide + 1
      this.#buffer.writeUInt32BE(length, this.#length + 1)
      this.#length += 5
    }
  }

  #number(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < 4_294_967_296) {
      if (value < 128) this.#byte(value)
      else {
        this.#room(5)
        this.#buffer[this.#length] = 0xce
        this.#buffer.writeUInt32BE(value, this.#length + 1)
        this.#length += 5
      }
      return
    }
    this.#room(9)
    if (Number.isSafeInteger(value) && value >= 0) {
      this.#buffer[this.#length] = 0xcf
      this.#buffer.writeBigUInt64BE(BigInt(value), this.#length + 1)
    } else {
      this.#buffer[this.#length] = 0xcb
      this.#buffer.writeDoubleBE(value, this.#length + 1)
    }
    this.#length += 9
  }

  #string(value: string): void {
    const bytes = Buffer.byteLength(value)
    if (bytes < 32) this.#byte(0xa0 | bytes)
    else if (bytes < 256) {
      this.#byte(0xd9)
      this.#byte(bytes)
    } else {
      this.#room(3)
      this.#buffer[this.#length] = 0xda
      this.#buffer.writeUInt16BE(bytes, this.#length + 1)
      this.#length += 3
    }
    this.#room(bytes)
    this.#buffer.write(value, this.#length)
    this.#length += bytes
  }

  #timestamp(atUs: number): void {
    this.#room(10)
    this.#buffer[this.#length] = 0xd7
    this.#buffer[this.#length + 1] = 0xff
    writeTimestamp64(this.#buffer, this.#length + 2, atUs)
    this.#length += 10
  }
}

/** 30 bits of nanoseconds, then 34 bits of seconds. */
export const writeTimestamp64 = (buffer: Buffer, at: number, atUs: number): void => {
  const seconds = Math.floor(atUs / 1e6)
  const nanos = (atUs - seconds * 1e6) * 1_000
  buffer.writeUInt32BE(nanos * 4 + Math.floor(seconds / 4_294_967_296), at)
  buffer.writeUInt32BE(seconds % 4_294_967_296, at + 4)
}

/** Header of an array of `length` items that are already encoded. */
export const arrayHeader = (length: number): Buffer =>
  length < 16
    ? Buffer.of(0x90 | length)
    : length < 65_536
      ? Buffer.of(0xdc, length >> 8, length & 0xff)
      : Buffer.of(0xdd, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
