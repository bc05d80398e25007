// Bytes are indexed inside their bounds, hence the `!`.

/** Appends protobuf fields to a growing byte array. Only what ONNX needs: varint, fixed32 and length-delimited. */
export class ProtobufWriter {
  #bytes = new Uint8Array(1024)
  #length = 0

  varint(field: number, value: number | bigint): this {
    this.#tag(field, 0)
    this.#varint(BigInt(value))
    return this
  }
  float(field: number, value: number): this {
    this.#tag(field, 5)
    this.#append(new Uint8Array(Float32Array.of(value).buffer))
    return this
  }
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2)
    this.#varint(BigInt(value.length))
    this.#append(value)
    return this
  }
  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }
  message(field: number, write: (writer: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter()
    write(inner)
    return this.bytes(field, inner.finish())
  }
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #tag(field: number, wire: number): void {
    this.#varint(BigInt(field * 8 + wire))
  }
  #varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value)
    while (rest >= 0x80n) {
      this.#append(Uint8Array.of(Number(rest & 0x7fn) | 0x80))
      rest >>= 7n
    }
    this.#append(Uint8Array.of(Number(rest)))
  }
  #append(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + chunk.length))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
  }
}

export interface ProtobufField {
  readonly field: number
  readonly wire: number
  /** The value of a varint (wire 0), two's complement for negatives. */
  readonly integer: bigint
  /** The payload of a length-delimited (wire 2) or fixed (wire 1, 5) field. */
  readonly bytes: Uint8Array
}

const EMPTY = new Uint8Array(0)

/** Yields the fields of one message. Throws RangeError on anything that runs past the end. */
export function* protobufFields(bytes: Uint8Array): Generator<ProtobufField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= bytes.length) throw new RangeError(`protobuf ends inside a varint at byte ${at}`)
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
    throw new RangeError(`protobuf varint at byte ${at} is longer than 10 bytes`)
  }
  const take = (length: number): Uint8Array => {
    if (length < 0 || at + length > bytes.length)
      throw new RangeError(`protobuf field at byte ${at} needs ${length} bytes, ${bytes.length - at} are left`)
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const [field, wire] = [Math.floor(tag / 8), tag % 8]
    if (field < 1) throw new RangeError(`protobuf tag ${tag} at byte ${at} is not valid`)
    if (wire === 0) yield {field, wire, integer: varint(), bytes: EMPTY}
    else if (wire === 1) yield {field, wire, integer: 0n, bytes: take(8)}
    else if (wire === 2) yield {field, wire, integer: 0n, bytes: take(Number(varint()))}
    else if (wire === 5) yield {field, wire, integer: 0n, bytes: take(4)}
    else throw new RangeError(`protobuf wire type ${wire} at byte ${at} is not valid`)
  }
}
