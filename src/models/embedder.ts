import type {Tensor} from '../nn/graph.ts'
import {paddingMask, transformerEncoder} from '../nn/layers/attention.ts'
import {linear, positions} from '../nn/layers/basic.ts'
import {crossEntropy, huber} from '../nn/losses.ts'
import type {Network, Objective} from '../nn/nn.ts'
import * as ops from '../nn/ops.ts'
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import type {ChainPca} from './chain-pca.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS, rowFeatures: ROW_WIDTH} = TENSOR_SHAPE
const GRID = ROWS * COLUMNS

export const EMBEDDING_WIDTH = 256

export interface EmbedderSpec {
  /** Numbers an embedding has: 256, or fewer in an ablation. */
  readonly dimension: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Constant scales of cell and row features: they are divided by these. */
  readonly cellScale: readonly number[]
  readonly rowMean: readonly number[]
  readonly rowScale: readonly number[]
}

/** Inputs of the embedder, in the layout of `ChainTensor`. */
export const EMBEDDER_INPUTS = [
  {name: 'cells', shape: [GRID, CELLS]},
  {name: 'mask', shape: [ROWS, COLUMNS]},
  {name: 'rows', shape: [ROWS, ROW_WIDTH]},
  {name: 'row-mask', shape: [ROWS]},
] as const

/**
 * Option chain → embedding: one token an expiry (its cells, which of them are there, its row features), a small
 * transformer over the expiries that hides absent ones, and one projection of all tokens to the embedding. The decoder
 * sees nothing but the embedding; it rebuilds every cell's log volatility ratio, and the three heads read it too.
 */
export const embedderNetwork = (spec: EmbedderSpec): Network => ({
  inputs: EMBEDDER_INPUTS,
  forward(scope, inputs) {
    const {
      cells,
      mask,
      rows,
      'row-mask': rowMask,
    } = inputs as Record<string, Tensor> as {
      readonly cells: Tensor
      readonly mask: Tensor
      readonly rows: Tensor
      readonly 'row-mask': Tensor
    }
    const constant = (values: readonly number[]): Tensor => scope.graph.constant(values, [1, 1, values.length])
    const scaledCells = ops.mul(cells, constant(spec.cellScale.map(value => 1 / value)))
    const scaledRows = ops.mul(ops.sub(rows, constant(spec.rowMean)), constant(spec.rowScale.map(value => 1 / value)))
    const present = ops.reshape(rowMask, [-1, ROWS, 1])
    const perRow = ops.reshape(scaledCells, [-1, ROWS, COLUMNS * CELLS])
    const token = ops.concat([perRow, mask, ops.mul(scaledRows, present), present], 2)
    const tokens = ops.mul(positions(scope, 'expiry', linear(scope, 'token', token, spec.width)), present)
    const {heads, layers} = spec
    const state = transformerEncoder(scope, 'encoder', tokens, {
      heads,
      layers,
      feedForward: 2 * spec.width,
      mask: paddingMask(rowMask),
    })
    const flat = ops.reshape(ops.mul(state, present), [-1, ROWS * spec.width])
    // A straight path from the shown cells to the embedding, and from there to the surface: what a linear code can do, this
    // one can do too, and the transformer learns the rest.
    const shown = ops.reshape(ops.slice(scaledCells, 2, 0, 1), [-1, GRID])
    const straight = linear(scope, 'straight', ops.concat([shown, ops.reshape(mask, [-1, GRID])], 1), spec.dimension, {
      bias: false,
    })
    const embedding = ops.add(linear(scope, 'embedding', flat, spec.dimension), straight)

    const hidden = ops.gelu(linear(scope, 'decoder-in', embedding, 256))
    const volatility = ops.add(
      linear(scope, 'decoder-out', hidden, GRID),
      linear(scope, 'decoder-straight', embedding, GRID, {bias: false}),
    )
    const head = scope.child('heads')
    const one = (name: string): Tensor => ops.reshape(linear(head, name, embedding, 1), [-1])
    const regime = linear(head, 'regime', embedding, 3)
    const outputs = {
      embedding,
      volatility,
      sentiment: ops.tanh(one('sentiment')),
      arbitrage: ops.sigmoid(one('arbitrage')),
    }
    return scope.mode === 'train' ? {...outputs, 'regime-logits': regime} : {...outputs, regime: ops.softmax(regime)}
  },
})

/**
 * Starts the straight path at principal components: the first numbers of the embedding are then the chain's coordinates in
 * them, and training goes on from there. `cellScale` is that of the log volatility ratio.
 */
export const startFromComponents = (
  weights: Map<string, Float32Array>,
  {mean, directions}: ChainPca,
  cellScale: number,
  dimension: number,
): void => {
  const [into, back, bias] = ['straight/weight', 'decoder-straight/weight', 'decoder-out/bias'].map(name =>
    weights.get(name),
  ) as [Float32Array, Float32Array, Float32Array]
  // What the transformer, the curved decoder and the free numbers add is small at first, or it would drown the components.
  for (const name of ['decoder-out/weight', 'embedding/weight', 'straight/weight']) {
    const values = weights.get(name) as Float32Array
    for (let i = 0; i < values.length; i++) values[i] = 0.02 * (values[i] as number)
  }
  for (const [j, {vector}] of directions.slice(0, dimension).entries()) {
    for (let cell = 0; cell < GRID; cell++) {
      const along = vector[cell] as number
      into[cell * dimension + j] = along * cellScale
      into[(GRID + cell) * dimension + j] = -along * (mean[cell] as number)
      back[j * GRID + cell] = along
    }
  }
  bias.set(mean)
}

export const RECONSTRUCTION_LOSS = 'reconstruction-loss'

/** Hidden cells' log volatility ratio (the embedding must know them from the others), and the three heads. */
export const embedderObjective: Objective = {
  inputs: [
    {name: 'volatility-target', shape: [GRID]},
    {name: 'volatility-weight', shape: [GRID]},
    {name: 'sentiment-target', shape: []},
    {name: 'arbitrage-target', shape: []},
    {name: 'regime-target', shape: [3]},
    {name: 'regime-weight', shape: []},
    {name: 'weight', shape: []},
  ],
  loss(scope, outputs, targets) {
    const target = (name: string): Tensor => targets[name] as Tensor
    const output = (name: string): Tensor => outputs[name] as Tensor
    const flat = (t: Tensor): Tensor => ops.reshape(t, [-1])
    const rebuilt = huber(
      flat(output('volatility')),
      flat(target('volatility-target')),
      flat(target('volatility-weight')),
      0.1,
    )
    scope.graph.output(RECONSTRUCTION_LOSS, rebuilt)
    const heads = [
      huber(output('sentiment'), target('sentiment-target'), target('weight'), 0.5),
      huber(output('arbitrage'), target('arbitrage-target'), target('weight'), 0.5),
      ops.mul(crossEntropy(output('regime-logits'), target('regime-target'), target('regime-weight')), 0.1),
    ]
    // Reconstruction losses are squares of about 0.02: this brings them level with the heads.
    return heads.reduce((sum, loss) => ops.add(sum, ops.mul(loss, 1)), ops.mul(rebuilt, 100))
  },
}
