import type {FusionGraph} from './fusion-graph.ts'
import type {OnnxNode} from './onnx-model.ts'

/** Opset whose `Attention` takes heads as they lie in one product, without turning them round. */
export const ATTENTION_OPSET = 23

/** softmax(q kᵀ · scale + mask) v over heads that were cut out of one product [b, t, 3 · heads · size] → `Attention`. */
export const fuseAttention = (graph: FusionGraph, turned: OnnxNode): boolean => {
  if (turned.op !== 'Transpose' || !isHeadSwap(turned)) return false
  const cut = graph.producer(turned.inputs[0])
  const parts = graph.onlyUser(turned.outputs[0])
  if (cut?.op !== 'Reshape' || graph.onlyUser(cut.outputs[0]) !== turned || parts?.op !== 'Split') return false
  if (parts.attributes['axis']?.value !== 1 || parts.outputs.length !== 3) return false
  const [q = '', k = '', v = ''] = parts.outputs
  const scores = graph.onlyUser(q)
  if (scores?.op !== 'FusedMatMul' || scores.inputs[0] !== q || scores.inputs[1] !== k) return false
  if (scores.attributes['transB']?.value !== 1 || graph.onlyUser(k) !== scores) return false
  const next = graph.onlyUser(scores.outputs[0])
  const masked = next?.op === 'Add' ? next : undefined
  const softmax = masked === undefined ? next : graph.onlyUser(masked.outputs[0])
  const mixed = softmax?.op === 'Softmax' ? graph.onlyUser(softmax.outputs[0]) : undefined
  if (softmax === undefined || mixed?.op !== 'MatMul' || mixed.inputs[1] !== v || graph.onlyUser(v) !== mixed)
    return false
  const back = graph.onlyUser(mixed.outputs[0])
  if (back?.op !== 'Transpose' || !isHeadSwap(back)) return false
  const joined = graph.onlyUser(back.outputs[0])
  const heads = graph.integers(cut.inputs[1])
  const target = joined?.op === 'Reshape' ? graph.integers(joined.inputs[1]) : undefined
  const from = graph.shapeOf(cut.inputs[0])
  if (joined === undefined || heads?.length !== 4 || target?.length !== 3 || from?.length !== 3) return false
  const bias = masked === undefined ? '' : graph.squareMask(masked.inputs[1], from[1] as number)
  if (bias === undefined) return false
  const [name = ''] = cut.outputs
  const third = [0, 1, 2].map(i => `${name}:${i}`)
  const count = (heads[2] as number) / 3
  const scale = scores.attributes['alpha'] ?? {kind: 'float', value: 1}
  graph.replace(
    [cut, turned, parts, scores, ...(masked === undefined ? [] : [masked]), softmax, mixed, back, joined],
    [
      {
        op: 'Split',
        inputs: [cut.inputs[0] as string],
        outputs: third,
        attributes: {axis: {kind: 'int', value: 2}, num_outputs: {kind: 'int', value: 3}},
      },
      {
        op: 'Attention',
        inputs: [...third, ...(bias === '' ? [] : [bias])],
        outputs: [joined.outputs[0] as string],
        attributes: {q_num_heads: {kind: 'int', value: count}, kv_num_heads: {kind: 'int', value: count}, scale},
      },
    ],
  )
  return true
}

const isHeadSwap = (node: OnnxNode): boolean => String(node.attributes['perm']?.value) === '0,2,1,3'
