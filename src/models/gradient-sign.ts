// Arrays are indexed inside their bounds, hence the `!`.
import type {GraphSession, OpenSession, SessionTensor} from '../nn/execution.ts'
import type {Tensor} from '../nn/graph.ts'
import {buildInputGradients, type InputGradients} from '../nn/input-gradients.ts'
import {crossEntropy} from '../nn/losses.ts'
import type {Network, Objective, Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {type Shape, sizeOf} from '../nn/shape.ts'
import {CLASSES} from './dataset.ts'

/** The cross-entropy of the three classes alone: what validation measures, and what an attack shall raise. */
export const classObjective: Objective = {
  inputs: [
    {name: 'target', shape: [CLASSES]},
    {name: 'weight', shape: []},
  ],
  loss: (_scope, outputs, {target, weight}) =>
    crossEntropy(outputs['logits'] as Tensor, target as Tensor, weight as Tensor),
}

const floats = (dims: Shape, data: Float32Array): SessionTensor => ({type: 'float32', dims, data})

/**
 * The fast gradient sign method (Goodfellow, Shlens and Szegedy 2015, §4): every input of a window moves by `epsilon`
 * deviations of its feature in the direction that raises the loss of the given weights, dropout switched off. Inputs that
 * the loss does not depend on (absent information, values beyond the scaler's limit) and those of deviation 0 stay.
 */
export class GradientSign {
  readonly #built: InputGradients
  readonly #session: GraphSession
  readonly #ones: Readonly<Record<string, SessionTensor>>
  readonly #names: ReadonlySet<string>
  readonly #x: Float32Array
  readonly #target: Float32Array
  readonly #weight: Float32Array

  /** `batch`: windows moved in one run of the graph. */
  constructor(network: Network, batch: number, open: OpenSession) {
    this.#built = buildInputGradients(network, classObjective, batch)
    this.#session = open(writeOnnx(this.#built.model), {threads: 1})
    this.#names = new Set(this.#session.inputNames)
    this.#ones = Object.fromEntries(
      this.#built.masks.map(({name, shape}) => [name, floats(shape, new Float32Array(sizeOf(shape)).fill(1))]),
    )
    this.#x = new Float32Array(sizeOf([batch, ...network.inputs[0]!.shape]))
    this.#target = new Float32Array(batch * CLASSES)
    this.#weight = new Float32Array(batch)
  }

  get batch(): number {
    return this.#built.batch
  }

  /**
   * Mean class loss and its derivative by `x` [count, window, width] for one-hot `target` [count, 3]; `count` is
   * `x.length` over a window's size, at most `batch`. The derivative is valid until the next call.
   */
  run(
    x: Float32Array,
    target: Float32Array,
    weights: Weights,
  ): {readonly loss: number; readonly gradient: Float32Array} {
    const {batch, parameters, inputs} = this.#built
    const windowSize = this.#x.length / batch
    const count = x.length / windowSize
    this.#x.fill(0).set(x)
    this.#target.fill(0).set(target)
    this.#weight.fill(0).fill(1, 0, count)
    const feeds: Record<string, SessionTensor> = {
      x: floats([batch, ...inputs[0]!.shape], this.#x),
      target: floats([batch, CLASSES], this.#target),
      weight: floats([batch], this.#weight),
      ...this.#ones,
    }
    for (const {name, shape} of parameters) feeds[name] = floats(shape, weights.get(name)!)
    const results = this.#session.run(
      Object.fromEntries(Object.entries(feeds).filter(([name]) => this.#names.has(name))),
    )
    const gradient = results['d:x']!.data as Float32Array
    return {loss: Number(results['loss']!.data[0]), gradient: gradient.subarray(0, x.length)}
  }

  /** Moves the windows in `x` in place. `deviation`: one of each column. */
  perturb(
    x: Float32Array,
    target: Float32Array,
    weights: Weights,
    {epsilon, deviation}: {readonly epsilon: number; readonly deviation: readonly number[]},
  ): void {
    const {gradient} = this.run(x, target, weights)
    for (let i = 0; i < x.length; i++) x[i]! += epsilon * deviation[i % deviation.length]! * Math.sign(gradient[i]!)
  }

  dispose(): void {
    this.#session.dispose()
  }
}
