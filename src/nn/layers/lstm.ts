import type {Tensor} from '../graph.ts'
import {constantInit, glorotInit} from '../initialisers.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'

/**
 * LSTM over x [batch, time, in] → all hidden states [batch, time, hidden]. Unrolled to train, because ONNX Runtime has
 * no derivative of its fused operator; the fused operator to serve. Weights are kept in ONNX's layout (gates i, o, f, c),
 * so both read the same numbers.
 */
export const lstm = (scope: Scope, name: string, x: Tensor, hidden: number): Tensor => {
  const inner = scope.child(name)
  const width = x.shape[2] as number
  const w = inner.parameter('input', [4 * hidden, width], glorotInit(width, hidden))
  const r = inner.parameter('recurrent', [4 * hidden, hidden], glorotInit(hidden, hidden))
  const b = inner.parameter('bias', [8 * hidden], constantInit(0))
  return scope.mode === 'serve' ? fused(x, w, r, b, hidden) : unrolled(x, w, r, b, hidden)
}

const fused = (x: Tensor, w: Tensor, r: Tensor, b: Tensor, hidden: number): Tensor => {
  const [batch, time] = x.shape as readonly [number, number, number]
  const lift = (t: Tensor): Tensor => ops.reshape(t, [1, ...t.shape])
  const states = ops.fusedLstm(ops.transpose(x, [1, 0, 2]), lift(w), lift(r), lift(b))
  return ops.reshape(ops.transpose(states, [2, 0, 1, 3]), [batch, time, hidden])
}

const unrolled = (x: Tensor, w: Tensor, r: Tensor, b: Tensor, hidden: number): Tensor => {
  const [batch, time, width] = x.shape as readonly [number, number, number]
  const bias = ops.add(ops.slice(b, 0, 0, 4 * hidden), ops.slice(b, 0, 4 * hidden, 8 * hidden))
  const driven = ops.add(ops.matmul(ops.reshape(x, [-1, width]), w, {transB: true}), bias)
  const steps = ops.reshape(driven, [batch, time, 4 * hidden])
  let h: Tensor | undefined
  let c: Tensor | undefined
  const states: Tensor[] = []
  for (let t = 0; t < time; t++) {
    const input = ops.reshape(ops.slice(steps, 1, t, t + 1), [batch, 4 * hidden])
    const gates: Tensor = h === undefined ? input : ops.add(input, ops.matmul(h, r, {transB: true}))
    const gate = (g: number): Tensor => ops.slice(gates, 1, g * hidden, (g + 1) * hidden)
    const fresh = ops.mul(ops.sigmoid(gate(0)), ops.tanh(gate(3)))
    c = c === undefined ? fresh : ops.add(ops.mul(ops.sigmoid(gate(2)), c), fresh)
    h = ops.mul(ops.sigmoid(gate(1)), ops.tanh(c))
    states.push(ops.reshape(h, [batch, 1, hidden]))
  }
  return ops.concat(states, 1)
}
