import {
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  OnnxType,
  type OnnxTypeName,
  type OnnxValueInfo,
} from './onnx-model.ts'
import {type ProtobufField, protobufFields} from './protobuf.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const float = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)
const typeNames = new Map<number, OnnxTypeName>(
  Object.entries(OnnxType).map(([name, id]) => [id, name as OnnxTypeName]),
)

/**
 * Reads a `ModelProto`: nodes, initialisers, inputs, outputs, metadata. Subgraphs, external data and value_info are not
 * kept. Throws RangeError on bytes that are not ONNX (truncated, or of a type gpi does not use).
 */
export const readOnnx = (bytes: Uint8Array): OnnxModel => {
  let producer = ''
  let graph: Uint8Array | undefined
  const opsets: [string, number][] = []
  const metadata: [string, string][] = []
  for (const field of protobufFields(bytes)) {
    if (field.field === 2) producer = text(field.bytes)
    else if (field.field === 7) graph = field.bytes
    else if (field.field === 8) opsets.push(readOpset(field.bytes))
    else if (field.field === 14) metadata.push(readEntry(field.bytes))
  }
  if (graph === undefined) throw new RangeError('the file holds no ONNX graph')
  // From entries, because a key of a foreign file may be `__proto__`.
  return {producer, opsets: Object.fromEntries(opsets), metadata: Object.fromEntries(metadata), ...readGraph(graph)}
}

const readGraph = (bytes: Uint8Array) => {
  const nodes: OnnxNode[] = []
  const initializers: OnnxTensor[] = []
  const inputs: OnnxValueInfo[] = []
  const outputs: OnnxValueInfo[] = []
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) nodes.push(readNode(field.bytes))
    else if (field.field === 5) initializers.push(readTensor(field.bytes))
    else if (field.field === 11) inputs.push(readValueInfo(field.bytes))
    else if (field.field === 12) outputs.push(readValueInfo(field.bytes))
  }
  const constants = new Set(initializers.map(tensor => tensor.name))
  return {nodes, initializers, inputs: inputs.filter(input => !constants.has(input.name)), outputs}
}

const readOpset = (bytes: Uint8Array): [string, number] => {
  let domain = ''
  let version = 0
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) domain = text(field.bytes)
    else if (field.field === 2) version = Number(field.integer)
  }
  return [domain, version]
}

const readEntry = (bytes: Uint8Array): [string, string] => {
  let key = ''
  let value = ''
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) key = text(field.bytes)
    else if (field.field === 2) value = text(field.bytes)
  }
  return [key, value]
}

const readNode = (bytes: Uint8Array): OnnxNode => {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes: (readonly [string, OnnxAttribute])[] = []
  let [op, name, domain] = ['', '', '']
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) inputs.push(text(field.bytes))
    else if (field.field === 2) outputs.push(text(field.bytes))
    else if (field.field === 3) name = text(field.bytes)
    else if (field.field === 4) op = text(field.bytes)
    else if (field.field === 7) domain = text(field.bytes)
    else if (field.field === 5) attributes.push(readAttribute(field.bytes))
  }
  // Object.fromEntries, not assignment: a file may name an attribute `__proto__`.
  return {op, name, domain, inputs, outputs, attributes: Object.fromEntries(attributes)}
}

/** Repeated scalars may come packed in one field (proto3's default) or one field each. */
const integersOf = (field: ProtobufField): number[] => {
  if (field.wire === 0) return [Number(field.integer)]
  const out: number[] = []
  let value = 0n
  let shift = 0n
  for (const byte of field.bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if (byte >= 0x80) continue
    out.push(Number(BigInt.asIntN(64, value)))
    value = 0n
    shift = 0n
  }
  return out
}

const floatsOfField = (field: ProtobufField): number[] =>
  Array.from({length: field.bytes.length / 4}, (_, i) => float(field.bytes.subarray(4 * i, 4 * i + 4)))

const readAttribute = (bytes: Uint8Array): readonly [string, OnnxAttribute] => {
  let name = ''
  let kind = 0
  let [int, number, string] = [0, 0, '']
  let tensor: OnnxTensor | undefined
  const [floats, ints, strings]: [number[], number[], string[]] = [[], [], []]
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) name = text(field.bytes)
    else if (field.field === 2) number = float(field.bytes)
    else if (field.field === 3) int = Number(field.integer)
    else if (field.field === 4) string = text(field.bytes)
    else if (field.field === 5) tensor = readTensor(field.bytes)
    else if (field.field === 7) floats.push(...floatsOfField(field))
    else if (field.field === 8) ints.push(...integersOf(field))
    else if (field.field === 9) strings.push(text(field.bytes))
    else if (field.field === 20) kind = Number(field.integer)
  }
  if (kind === 1) return [name, {kind: 'float', value: number}]
  if (kind === 2) return [name, {kind: 'int', value: int}]
  if (kind === 3) return [name, {kind: 'string', value: string}]
  if (kind === 4 && tensor !== undefined) return [name, {kind: 'tensor', value: tensor}]
  if (kind === 6) return [name, {kind: 'floats', value: floats}]
  if (kind === 7) return [name, {kind: 'ints', value: ints}]
  if (kind === 8) return [name, {kind: 'strings', value: strings}]
  throw new RangeError(`attribute "${name}" has type ${kind}, which gpi does not read`)
}

const readTensor = (bytes: Uint8Array): OnnxTensor => {
  const dims: number[] = []
  let name = ''
  let type = 0
  let raw: Uint8Array | undefined
  const [floats, ints]: [number[], number[]] = [[], []]
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) dims.push(...integersOf(field))
    else if (field.field === 2) type = Number(field.integer)
    else if (field.field === 4) floats.push(...floatsOfField(field))
    else if (field.field === 5 || field.field === 7) ints.push(...integersOf(field))
    else if (field.field === 8) name = text(field.bytes)
    else if (field.field === 9) raw = field.bytes
  }
  const typeName = typeNames.get(type)
  if (typeName === undefined) throw new RangeError(`tensor "${name}" has type ${type}, which gpi does not read`)
  return {name, type: typeName, dims, raw: raw ?? rawFrom(typeName, floats, ints)}
}

const rawFrom = (type: OnnxTypeName, floats: readonly number[], ints: readonly number[]): Uint8Array => {
  if (type === 'float32') return new Uint8Array(Float32Array.from(floats).buffer)
  if (type === 'int64') return new Uint8Array(BigInt64Array.from(ints, BigInt).buffer)
  if (type === 'int32') return new Uint8Array(Int32Array.from(ints).buffer)
  if (type === 'float16') return new Uint8Array(Uint16Array.from(ints).buffer)
  return Uint8Array.from(ints)
}

const readValueInfo = (bytes: Uint8Array): OnnxValueInfo => {
  let name = ''
  let type = 0
  const dims: (number | string)[] = []
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) name = text(field.bytes)
    if (field.field !== 2) continue
    for (const kind of protobufFields(field.bytes)) {
      if (kind.field !== 1) continue
      for (const part of protobufFields(kind.bytes)) {
        if (part.field === 1) type = Number(part.integer)
        else if (part.field === 2) for (const dim of protobufFields(part.bytes)) dims.push(readDimension(dim.bytes))
      }
    }
  }
  const typeName = typeNames.get(type)
  if (typeName === undefined) throw new RangeError(`"${name}" has type ${type}, which gpi does not read`)
  return {name, type: typeName, dims}
}

const readDimension = (bytes: Uint8Array): number | string => {
  for (const field of protobufFields(bytes)) {
    if (field.field === 1) return Number(field.integer)
    if (field.field === 2) return text(field.bytes)
  }
  return ''
}
