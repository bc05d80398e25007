// Typed arrays are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {stateName, stepScalars} from './adamw.ts'
import type {GraphSession, SessionTensor} from './execution.ts'
import type {TrainingGraph, Weights} from './nn.ts'
import {type Shape, ShapeError, sizeOf} from './shape.ts'

/** Everything a training run is between two steps; a checkpoint is this and the generators' states. */
export interface OptimiserState {
  readonly step: number
  /** By the names of `stateName`: weights, first and second moments, averages. */
  readonly tensors: ReadonlyMap<string, Float32Array>
}

export interface StepReport {
  readonly loss: number
  /** Before clipping. */
  readonly gradientNorm: number
  /** Further scalars that the objective names with `graph.output`. */
  readonly parts: Readonly<Record<string, number>>
}

export type Batch = Readonly<Record<string, Float32Array | BigInt64Array>>

/** The state before the first step: given weights, moments at zero, averages at the weights. */
export const initialState = (training: TrainingGraph, weights: Weights): OptimiserState => {
  const tensors = new Map<string, Float32Array>()
  for (const {name, shape} of training.parameters) {
    const weight = weights.get(name)
    if (weight?.length !== sizeOf(shape))
      throw new ShapeError(`weight "${name}" of [${shape}] was ${weight?.length} values`)
    tensors.set(stateName.weight(name), Float32Array.from(weight))
    tensors.set(stateName.first(name), new Float32Array(weight.length))
    tensors.set(stateName.second(name), new Float32Array(weight.length))
    if (training.optimiser.ema > 0) tensors.set(stateName.average(name), Float32Array.from(weight))
  }
  return {step: 0, tensors}
}

/**
 * Runs a training graph step after step. State lives in two sets of typed arrays that swap roles: one is read, the
 * other written, because feeding and fetching one buffer in a call is not safe.
 */
export class Optimisation {
  readonly #training: TrainingGraph
  readonly #session: GraphSession
  #current: Record<string, SessionTensor> = {}
  #spare: Record<string, SessionTensor> = {}
  readonly #masks: Readonly<Record<string, SessionTensor>>
  #step: number

  constructor(training: TrainingGraph, session: GraphSession, state: OptimiserState) {
    this.#training = training
    this.#session = session
    this.#step = state.step
    const shapes = new Map(training.graph.inputs.map(({name, shape}) => [name, shape]))
    for (const [name, values] of state.tensors) {
      const shape = shapes.get(name)
      if (shape === undefined) throw new ShapeError(`the training graph has no state "${name}"`)
      this.#current[name] = floats(shape, Float32Array.from(values))
      this.#spare[name] = floats(shape, new Float32Array(values.length))
    }
    this.#masks = Object.fromEntries(
      training.masks.map(({name, shape}) => [name, floats(shape, new Float32Array(sizeOf(shape)))]),
    )
  }

  get step(): number {
    return this.#step
  }

  /** One update. `batch` holds every input at the graph's batch size; `rng` draws the dropout masks. */
  run(batch: Batch, learningRate: number, rng: Rng): StepReport {
    const feeds: Record<string, SessionTensor> = {...this.#current, ...this.#masks}
    for (const {name, shape} of this.#training.inputs) {
      const data = batch[name]
      const dims = [this.#training.batch, ...shape]
      if (data?.length !== sizeOf(dims))
        throw new ShapeError(`batch input "${name}" [${dims}] was ${data?.length} values`)
      feeds[name] = data instanceof Float32Array ? floats(dims, data) : {type: 'int64', dims, data}
    }
    for (const {name, rate} of this.#training.masks) drawMask(this.#masks[name]?.data as Float32Array, rate, rng)
    const scalars = stepScalars(this.#step + 1, learningRate, this.#training.optimiser)
    feeds['step-size'] = floats([], Float32Array.of(scalars.stepSize))
    feeds['step-epsilon'] = floats([], Float32Array.of(scalars.stepEpsilon))
    feeds['decay'] = floats([], Float32Array.of(scalars.decay))

    const into = Object.fromEntries(Object.entries(this.#spare).map(([name, tensor]) => [stateName.next(name), tensor]))
    const results = this.#session.run(feeds, into)
    const loss = Number(results['loss']?.data[0])
    // A step that gave a number that is none is not taken: the state stays the last good one.
    if (!Number.isFinite(loss)) throw new RangeError(`the loss was ${loss} at step ${this.#step + 1}`)
    ;[this.#current, this.#spare] = [this.#spare, this.#current]
    this.#step++
    const parts = Object.entries(results).filter(([name, {dims}]) => dims.length === 0 && into[name] === undefined)
    return {
      loss,
      gradientNorm: Number(results['gradient-norm']?.data[0]),
      parts: Object.fromEntries(parts.map(([name, {data}]) => [name, Number(data[0])])),
    }
  }

  /** The weights the next step starts from, not copied: valid until then. */
  current(): Weights {
    return new Map(this.#training.parameters.map(({name}) => [name, this.#current[name]!.data as Float32Array]))
  }

  /** A copy of the state, safe to write while training goes on. */
  state(): OptimiserState {
    return {step: this.#step, tensors: this.#copy(Object.keys(this.#current))}
  }

  /** The weights to serve: their moving average where one is kept. */
  weights(): Map<string, Float32Array> {
    const averaged = this.#training.optimiser.ema > 0
    const stored = this.#copy(this.#training.parameters.map(({name}) => (averaged ? stateName.average(name) : name)))
    return new Map(
      this.#training.parameters.map(({name}) => [name, stored.get(averaged ? stateName.average(name) : name)!]),
    )
  }

  #copy(names: readonly string[]): Map<string, Float32Array> {
    return new Map(names.map(name => [name, Float32Array.from(this.#current[name]?.data as Float32Array)]))
  }
}

const floats = (dims: Shape, data: Float32Array): SessionTensor => ({type: 'float32', dims, data})

/** Each draw of 32 bits decides four elements, so a rate is kept to the nearest 1/256. */
const drawMask = (mask: Float32Array, rate: number, rng: Rng): void => {
  const threshold = Math.round(rate * 256)
  const kept = 256 / (256 - threshold)
  let bits = 0
  for (let i = 0; i < mask.length; i++) {
    if (i % 4 === 0) bits = rng.u32()
    mask[i] = (bits & 255) < threshold ? 0 : kept
    bits >>>= 8
  }
}
