import type {Graph, Tensor} from './graph.ts'
import * as ops from './ops.ts'
import type {ParameterSpec, Scope} from './scope.ts'

export interface AdamWOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  readonly weightDecay?: number
  /** Gradients are scaled down so that their global Euclidean norm is at most this. */
  readonly clipNorm?: number
  /** Decay of the exponential moving average of the weights; 0 keeps none. */
  readonly ema?: number
}

export type ResolvedAdamW = Required<AdamWOptions>

export const resolveAdamW = (options: AdamWOptions): ResolvedAdamW => ({
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clipNorm: 1,
  ema: 0,
  ...options,
})

/** Names under which a parameter's state enters (`m:`, `v:`, `e:`) and everything leaves (with `'`). */
export const stateName = {
  weight: (name: string): string => name,
  first: (name: string): string => `m:${name}`,
  second: (name: string): string => `v:${name}`,
  average: (name: string): string => `e:${name}`,
  next: (name: string): string => `${name}'`,
}

/**
 * Scalars fed at each step, so that neither schedule nor bias correction needs a new graph. Moments are kept undivided,
 * m / (1 - β1) and v / (1 - β2): two multiplications of every parameter less, and these scalars make up for it.
 */
export interface StepScalars {
  readonly stepSize: number
  readonly stepEpsilon: number
  readonly decay: number
}

/** Kingma and Ba 2015, §2, the efficient order of computation; decay decoupled as in Loshchilov and Hutter 2019. */
export const stepScalars = (step: number, learningRate: number, options: ResolvedAdamW): StepScalars => {
  const correction1 = (1 - options.beta1 ** step) / (1 - options.beta1)
  const root2 = Math.sqrt((1 - options.beta2 ** step) / (1 - options.beta2))
  return {
    stepSize: (learningRate * root2) / correction1,
    stepEpsilon: options.epsilon * root2,
    decay: 1 - learningRate * options.weightDecay,
  }
}

/** Appends clipping and the AdamW update of every parameter; declares the state's inputs and outputs. */
export const appendAdamW = (graph: Graph, scope: Scope, gradients: readonly Tensor[], options: ResolvedAdamW): void => {
  const [stepSize, stepEpsilon, decay] = ['step-size', 'step-epsilon', 'decay'].map(name => graph.input(name, [])) as [
    Tensor,
    Tensor,
    Tensor,
  ]
  const squares = gradients.map(ops.reduceSumSquare)
  const norm = ops.sqrt(squares.reduce((sum, square) => ops.add(sum, square)))
  graph.output('gradient-norm', norm)
  const clip = ops.minimum(ops.div(options.clipNorm, ops.add(norm, 1e-6)), 1)
  for (const [i, spec] of scope.parameters.entries()) {
    const clipped = ops.mul(gradients[i] as Tensor, clip)
    appendUpdate(graph, scope, spec, clipped, {stepSize, stepEpsilon, decay}, options)
  }
}

const appendUpdate = (
  graph: Graph,
  scope: Scope,
  {name, shape, decay: decays}: ParameterSpec,
  gradient: Tensor,
  scalars: {readonly stepSize: Tensor; readonly stepEpsilon: Tensor; readonly decay: Tensor},
  {beta1, beta2, ema}: ResolvedAdamW,
): void => {
  const weight = scope.tensorOf(name)
  const m = graph.input(stateName.first(name), shape)
  const v = graph.input(stateName.second(name), shape)
  const m2 = ops.add(ops.mul(m, beta1), gradient)
  const v2 = ops.add(ops.mul(v, beta2), ops.mul(gradient, gradient))
  const move = ops.mul(ops.div(m2, ops.add(ops.sqrt(v2), scalars.stepEpsilon)), scalars.stepSize)
  const next = ops.sub(decays ? ops.mul(weight, scalars.decay) : weight, move)
  graph.output(stateName.next(stateName.weight(name)), next)
  graph.output(stateName.next(stateName.first(name)), m2)
  graph.output(stateName.next(stateName.second(name)), v2)
  if (ema === 0) return
  const average = graph.input(stateName.average(name), shape)
  graph.output(stateName.next(stateName.average(name)), ops.add(ops.mul(average, ema), ops.mul(next, 1 - ema)))
}
