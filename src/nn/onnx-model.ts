/**
 * The part of ONNX that gpi writes and reads, as plain data. Field numbers and enum values are those of onnx.proto3
 * (IR version 9). `onnx-writer.ts` and `onnx-reader.ts` turn it into bytes and back.
 */
export const OPSET = 20
export const IR_VERSION = 9
export const MICROSOFT_DOMAIN = 'com.microsoft'

/** TensorProto.DataType of the types in use. */
export const OnnxType = {float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10} as const
export type OnnxTypeName = keyof typeof OnnxType

export interface OnnxTensor {
  readonly name: string
  readonly type: OnnxTypeName
  readonly dims: readonly number[]
  /** Little-endian raw values. */
  readonly raw: Uint8Array
}

export type OnnxAttribute =
  | {readonly kind: 'int'; readonly value: number}
  | {readonly kind: 'float'; readonly value: number}
  | {readonly kind: 'string'; readonly value: string}
  | {readonly kind: 'ints'; readonly value: readonly number[]}
  | {readonly kind: 'floats'; readonly value: readonly number[]}
  | {readonly kind: 'strings'; readonly value: readonly string[]}
  | {readonly kind: 'tensor'; readonly value: OnnxTensor}

export interface OnnxNode {
  readonly op: string
  readonly domain?: string
  readonly name?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

export interface OnnxValueInfo {
  readonly name: string
  readonly type: OnnxTypeName
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[]
}

export interface OnnxModel {
  readonly producer: string
  readonly opsets: Readonly<Record<string, number>>
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValueInfo[]
  readonly outputs: readonly OnnxValueInfo[]
  /** `metadata_props`: where gpi keeps feature names, scaler and hashes. */
  readonly metadata: Readonly<Record<string, string>>
}

const rawOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

export const floatTensor = (name: string, dims: readonly number[], values: ArrayLike<number>): OnnxTensor => ({
  name,
  type: 'float32',
  dims,
  raw: rawOf(values instanceof Float32Array ? values : Float32Array.from(values)),
})

export const int64Tensor = (name: string, dims: readonly number[], values: readonly number[]): OnnxTensor => ({
  name,
  type: 'int64',
  dims,
  raw: rawOf(BigInt64Array.from(values, BigInt)),
})

/** Values of a float32 tensor, copied so that they are aligned. */
export const floatsOf = (tensor: OnnxTensor): Float32Array => {
  if (tensor.type !== 'float32') throw new RangeError(`${tensor.name} must be float32, was ${tensor.type}`)
  return new Float32Array(tensor.raw.slice().buffer)
}
