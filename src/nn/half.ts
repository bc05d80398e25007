// Typed arrays are indexed inside their bounds, hence the `!`.
import {floatsOf, type OnnxModel, type OnnxNode, type OnnxTensor} from './onnx-model.ts'

/** Bits of the nearest IEEE half, ties to even; overflow becomes infinity. */
export const halfBits = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  const bits = view.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 112
  const mantissa = bits & 0x7fffff
  if (Number.isNaN(value)) return sign | 0x7e00
  if (exponent >= 31) return sign | 0x7c00
  if (exponent <= 0) {
    if (exponent < -10) return sign
    const full = mantissa | 0x800000
    const shift = 14 - exponent
    const kept = full >>> shift
    const rest = full & ((1 << shift) - 1)
    const half = 1 << (shift - 1)
    return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0))
  }
  const kept = (exponent << 10) | (mantissa >>> 13)
  const rest = mantissa & 0x1fff
  return sign | (kept + (rest > 0x1000 || (rest === 0x1000 && (kept & 1) === 1) ? 1 : 0))
}

/**
 * Weights stored as float16 and widened when the model loads: half the file, float32 arithmetic. Devices with half
 * arithmetic fold the casts; the CPU merely reads a smaller file.
 */
export const storeAsHalf = (model: OnnxModel, minWeights = 256): OnnxModel => {
  const casts: OnnxNode[] = []
  const initializers = model.initializers.map(tensor => {
    const size = tensor.dims.reduce((product, d) => product * d, 1)
    if (tensor.type !== 'float32' || size < minWeights) return tensor
    const halves = Uint16Array.from(floatsOf(tensor), halfBits)
    const name = `${tensor.name}:float16`
    casts.push({op: 'Cast', inputs: [name], outputs: [tensor.name], attributes: {to: {kind: 'int', value: 1}}})
    return {name, type: 'float16', dims: tensor.dims, raw: new Uint8Array(halves.buffer)} satisfies OnnxTensor
  })
  return {...model, initializers, nodes: [...casts, ...model.nodes]}
}
