import type {Tensor} from '../nn/graph.ts'
import {paddingMask, transformerEncoder} from '../nn/layers/attention.ts'
import {linear, positions} from '../nn/layers/basic.ts'
import {crossEntropy, huber} from '../nn/losses.ts'
import type {Network, Objective} from '../nn/nn.ts'
import * as ops from '../nn/ops.ts'
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import {SKEW_DOWN, SKEW_UP} from './chain-sample.ts'
import {PRIOR_RANK, type SurfacePrior} from './surface-prior.ts'

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
  readonly prior: SurfacePrior
}

/** Inputs of the embedder, in the layout of `ChainTensor`. */
export const EMBEDDER_INPUTS = [
  {name: 'cells', shape: [GRID, CELLS]},
  {name: 'mask', shape: [ROWS, COLUMNS]},
  {name: 'rows', shape: [ROWS, ROW_WIDTH]},
  {name: 'row-mask', shape: [ROWS]},
  {name: 'posterior', shape: [PRIOR_RANK]},
] as const

/** Numbers of the embedding that are coordinates of the surface. */
const surfaceNumbers = (dimension: number): number => Math.min(PRIOR_RANK, Math.ceil(0.75 * dimension))
/** Numbers after them that are worked out from the chain: roughness, skew, level at a month; fewer where there is no room. */
const summaryNumbers = (dimension: number): number => Math.min(3, dimension - surfaceNumbers(dimension))

/**
 * Option chain → embedding. The first numbers are the surface's expected coordinates under the prior (`posterior`, by
 * kriging from the cells that are there) plus what a network adds to them; the network has one token an expiry (its cells,
 * what the prior makes of them and where the quotes differ from that, its row features) and a small transformer over the
 * expiries that hides absent ones. Three more are the summaries that the heads are about, as they are: what can be worked
 * out is not left to be learned from some tens of days. The other numbers are the network's own. The decoder sees nothing
 * but the embedding; it rebuilds every cell's log volatility ratio, and the three heads read it too.
 */
export const embedderNetwork = (spec: EmbedderSpec): Network => ({
  inputs: EMBEDDER_INPUTS,
  forward(scope, inputs) {
    const {
      cells,
      mask,
      rows,
      'row-mask': rowMask,
      posterior,
    } = inputs as Record<string, Tensor> as {
      readonly cells: Tensor
      readonly mask: Tensor
      readonly rows: Tensor
      readonly 'row-mask': Tensor
      readonly posterior: Tensor
    }
    const {graph} = scope
    const {prior, dimension} = spec
    const constant = (values: readonly number[]): Tensor => graph.constant(values, [1, 1, values.length])
    const scaledCells = ops.mul(cells, constant(spec.cellScale.map(value => 1 / value)))
    const scaledRows = ops.mul(ops.sub(rows, constant(spec.rowMean)), constant(spec.rowScale.map(value => 1 / value)))
    const present = ops.reshape(rowMask, [-1, ROWS, 1])
    const shownRows = ops.mul(scaledRows, present)

    const directions = graph.constant(Float32Array.from(prior.directions), [GRID, PRIOR_RANK])
    const mean = graph.constant(Float32Array.from(prior.mean), [1, GRID])
    const kriged = ops.add(ops.matmul(posterior, directions, {transB: true}), mean)
    const shown = ops.reshape(ops.slice(cells, 2, 0, 1), [-1, GRID])
    const surprise = ops.mul(ops.sub(shown, kriged), ops.reshape(mask, [-1, GRID]))
    const asRows = (t: Tensor, scale: number): Tensor => ops.mul(ops.reshape(t, [-1, ROWS, COLUMNS]), scale)

    const perRow = ops.reshape(scaledCells, [-1, ROWS, COLUMNS * CELLS])
    const token = ops.concat(
      [perRow, mask, asRows(kriged, 1 / (spec.cellScale[0] as number)), asRows(surprise, SURPRISE), shownRows, present],
      2,
    )
    const tokens = ops.mul(positions(scope, 'expiry', linear(scope, 'token', token, spec.width)), present)
    const {heads, layers} = spec
    const state = transformerEncoder(scope, 'encoder', tokens, {
      heads,
      layers,
      feedForward: 2 * spec.width,
      mask: paddingMask(rowMask),
    })
    const flat = ops.reshape(ops.mul(state, present), [-1, ROWS * spec.width])
    const onSurface = surfaceNumbers(dimension)
    const scale = graph.scalar(1 / (spec.cellScale[0] as number))
    const start = ops.mul(ops.slice(posterior, 1, 0, onSurface), scale)
    const coordinates = ops.add(start, ops.mul(linear(scope, 'correction', flat, onSurface, {bias: false}), GENTLE))
    const level = monthLevel(rows, rowMask)
    // A cell that is hidden or absent counts with what is expected of it.
    const summaries = [roughness(surprise, mask), meanSkew(ops.add(kriged, surprise), rowMask), level]
    const summary = summaries.slice(0, summaryNumbers(dimension))
    const levels = ops.concat(
      [ops.reshape(ops.concat([shownRows, present], 2), [-1, ROWS * (ROW_WIDTH + 1)]), level],
      1,
    )
    const left = dimension - onSurface - summary.length
    const free =
      left === 0
        ? []
        : [ops.add(linear(scope, 'free', flat, left), linear(scope, 'levels', levels, left, {bias: false}))]
    const embedding = ops.concat([coordinates, ...summary, ...free], 1)

    const hidden = ops.gelu(linear(scope, 'decoder-in', embedding, 256))
    const added = ops.add(
      linear(scope, 'decoder-out', hidden, GRID),
      linear(scope, 'decoder-straight', embedding, GRID, {bias: false}),
    )
    const back = ops.matmul(ops.mul(coordinates, spec.cellScale[0] as number), ops.slice(directions, 1, 0, onSurface), {
      transB: true,
    })
    const volatility = ops.add(ops.add(back, mean), ops.mul(added, GENTLE))
    const head = scope.child('heads')
    const read = ops.concat([embedding, ops.gelu(linear(head, 'hidden', embedding, 64))], 1)
    const one = (name: string): Tensor => ops.reshape(linear(head, name, read, 1), [-1])
    const regime = linear(head, 'regime', read, 3)
    const outputs = {
      embedding,
      volatility,
      sentiment: ops.tanh(one('sentiment')),
      arbitrage: ops.sigmoid(one('arbitrage')),
    }
    return scope.mode === 'train' ? {...outputs, 'regime-logits': regime} : {...outputs, regime: ops.softmax(regime)}
  },
})

/** Each is [batch, 1] and of the order of one: what the heads are about, said plainly. */
type Summary = (values: Tensor, present: Tensor) => Tensor

/** Log volatility at 30 days: the rows' by a kernel in log time, about that of 16 %. */
const monthLevel: Summary = (rows, rowMask) => {
  const column = (at: number): Tensor => ops.reshape(ops.slice(rows, 2, at, at + 1), [-1, ROWS])
  const distance = ops.mul(ops.sub(column(1), Math.log(30)), 1 / 0.3)
  const weight = ops.mul(ops.add(ops.exp(ops.mul(ops.mul(distance, distance), -0.5)), 1e-4), rowMask)
  const level = ops.div(
    ops.reduceSum(ops.mul(weight, column(0)), [1], true),
    ops.add(ops.reduceSum(weight, [1], true), 1e-6),
  )
  return ops.mul(ops.sub(level, Math.log(0.16)), 3)
}

/** Skew between the deviations that sentiment is defined by, mean over the expiries there, about 0.3. */
const meanSkew: Summary = (surface, rowMask) => {
  const weights = new Float32Array(GRID * ROWS)
  for (let row = 0; row < ROWS; row++) {
    for (const column of SKEW_DOWN) weights[(row * COLUMNS + column) * ROWS + row] = 1 / SKEW_DOWN.length
    for (const column of SKEW_UP) weights[(row * COLUMNS + column) * ROWS + row] = -1 / SKEW_UP.length
  }
  const perRow = ops.matmul(surface, surface.graph.constant(weights, [GRID, ROWS]))
  const count = ops.add(ops.reduceSum(rowMask, [1], true), 1e-6)
  return ops.mul(ops.sub(ops.div(ops.reduceSum(ops.mul(perRow, rowMask), [1], true), count), 0.3), 1 / 0.3)
}

/** What the logistic function makes `mispricing` of: r + ln(1 − exp(−r)), r the quotes' rms distance from the surface in hundredths. */
const roughness: Summary = (surprise, mask) => {
  const count = ops.add(ops.reduceSum(ops.reshape(mask, [-1, GRID]), [1], true), 1e-6)
  const square = ops.div(ops.reduceSum(ops.mul(surprise, surprise), [1], true), count)
  const distance = ops.mul(ops.sqrt(ops.add(square, 1e-8)), 100)
  return ops.add(distance, ops.log(ops.sub(1, ops.exp(ops.neg(distance)))))
}

/** Quotes differ from what the prior expects by about a hundredth: this brings it to the order of one. */
const SURPRISE = 50
/** What the network adds to the prior is small: its weights need not be. */
const GENTLE = 0.02

/**
 * Starts an embedder at what is known without training: the network adds nothing to the coordinates, nor to the surface
 * they decode to; the heads of arbitrage and sentiment read the summaries that they are defined by, where there are any.
 */
export const startFromPrior = (weights: Map<string, Float32Array>, dimension: number): void => {
  for (const name of ['correction/weight', 'decoder-out/weight', 'decoder-straight/weight'])
    (weights.get(name) as Float32Array).fill(0)
  const summaries = summaryNumbers(dimension)
  for (const [at, [name, slope]] of [['arbitrage', 1] as const, ['sentiment', -1] as const].entries()) {
    if (at >= summaries) continue
    const weight = weights.get(`heads/${name}/weight`) as Float32Array
    weight.fill(0)
    weight[surfaceNumbers(dimension) + at] = slope
  }
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
      0.01,
    )
    scope.graph.output(RECONSTRUCTION_LOSS, rebuilt)
    const heads = [
      huber(output('sentiment'), target('sentiment-target'), target('weight'), 0.5),
      huber(output('arbitrage'), target('arbitrage-target'), target('weight'), 0.5),
      ops.mul(crossEntropy(output('regime-logits'), target('regime-target'), target('regime-weight')), 0.1),
    ]
    // Reconstruction errors are about 0.005, beyond which the loss is linear: this brings it level with the heads.
    return heads.reduce((sum, loss) => ops.add(sum, loss), ops.mul(rebuilt, 3000))
  },
}
