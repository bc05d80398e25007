import {existsSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {UserError} from '../domain/errors.ts'
import {createRng} from '../domain/rng.ts'
import {DEVICES, type Device, deviceFailure} from '../drivers/onnx/open-device.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {schemaOf} from '../features/multi-features.ts'
import {allocateBatch, fillBatch, windowEnds} from '../models/dataset.ts'
import {decideOne} from '../models/decision.ts'
import {type ModelDescription, metadataOf, readModel, sha256} from '../models/model-file.ts'
import {type RowList, spread} from '../models/row-runs.ts'
import {splitInTime} from '../models/splits.ts'
import type {GraphSession} from '../nn/execution.ts'
import {type Fusions, fuseEncoder} from '../nn/fuse.ts'
import {storeAsHalf} from '../nn/half.ts'
import type {OnnxModel} from '../nn/onnx-model.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {quantiseInt8} from '../nn/quantise.ts'
import {cardOf, type LoadedModel, writeWhole} from './model-files.ts'
import {rowKindOf} from './train-parts.ts'
import {loadTrainingData, type TrainingDataRequest} from './training-data.ts'

export const PRECISIONS = ['int8', 'float16'] as const
export type Precision = (typeof PRECISIONS)[number]

export interface OptimizeRequest {
  readonly out: string
  readonly precision: Precision
  /** Largest share of windows whose decision may change. */
  readonly maxDrift: number
  /** Tried in order; the first that loads the model is used. */
  readonly devices: readonly Device[]
  /** Catalog whose windows measure drift; without it seeded windows around the scaler's mean do. */
  readonly data?: string
  readonly windows: number
  readonly runs: number
  readonly seed: number
}

export interface Timing {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly bytes: number
}

export interface KindTiming {
  /** Such as `technical, microstructure, patterns`. */
  readonly kinds: string
  readonly windows: number
  readonly before: Omit<Timing, 'bytes'>
  readonly after: Omit<Timing, 'bytes'>
  readonly reduction: number
}

export interface OptimizeResult {
  readonly model: string
  /** Device that ran both versions. */
  readonly provider: Device
  readonly skipped: readonly {readonly device: Device; readonly reason: string}[]
  readonly precision: Precision
  readonly before: Timing
  readonly after: Timing
  /** 1 - after / before, by p50. */
  readonly reduction: number
  /** The same by the kinds of information that a window has: those of `trade` have quotes, those of plain bars do not. */
  readonly byKinds?: readonly KindTiming[]
  readonly drift: {
    readonly maxAbs: number
    readonly cosineMin: number
    readonly decisionFlips: number
    readonly windows: number
    readonly inputs: 'real' | 'synthetic'
  }
  readonly quantisedProducts: number
  /** Products left in float because converting them moved the answers most. */
  readonly keptFloat: readonly string[]
  /** What the graph was put together to; int8 only. */
  readonly fused: Fusions | undefined
  readonly accepted: boolean
  readonly reasons: readonly string[]
  /** Null when the result was refused: nothing is written then. */
  readonly output: string | null
}

/** One model of two versions to compare: what it is fed and asked, case by case. */
export interface Probe {
  readonly count: number
  readonly inputs: 'real' | 'synthetic'
  /** All answers to a case as one vector. */
  readonly run: (session: GraphSession, at: number) => readonly number[]
  /** What one decides by the answers. */
  readonly decide: (answers: readonly number[]) => number
  /** Cases to time apart by what they are, where they cost unlike; what was trained on takes as long as what was not. */
  readonly kinds?: Pick<Probe, 'count' | 'run'> & {readonly nameOf: (at: number) => string}
  /** Least cosine between both versions' answers, where they are a direction. */
  readonly leastCosine?: number
}

/** A model file and how to write another of its kind. */
export interface Optimisable {
  readonly path: string
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly onnx: OnnxModel
  /** Goes into the file's metadata and its card; `precision` is overwritten. */
  readonly description: {readonly name: string; readonly precision: string}
  readonly metadataOf: (description: {readonly name: string; readonly precision: string}) => Record<string, string>
}

/** Makes a smaller, faster version of a signal model. */
export const optimizeModel = async (loaded: LoadedModel, request: OptimizeRequest): Promise<OptimizeResult> => {
  const {onnx, description} = readModel(loaded.bytes, loaded.path)
  const {windows, inputs, timed} = await windowsFor(description, request)
  const ask = (from: Float32Array) => (session: GraphSession, at: number) => {
    const results = runOne(session, from, at, description)
    return OUTPUTS.flatMap(name => Array.from(results[name]?.data as Float32Array))
  }
  const probe: Probe = {
    count: windows.length / (description.window * description.width),
    inputs,
    run: ask(windows),
    ...(timed === undefined ? {} : kindsOf(description, timed, ask(timed))),
    decide: ([down = 0, flat = 0, up = 0]) => decideOne(down, flat, up, description.decision),
  }
  return optimise(
    {
      ...loaded,
      onnx,
      description,
      metadataOf: changed => metadataOf(changed as ModelDescription),
    },
    probe,
    request,
  )
}

/** Measures a smaller version and the model itself turn by turn, and writes it only if it holds up. */
export const optimise = (model: Optimisable, probe: Probe, request: OptimizeRequest): OptimizeResult => {
  const {description} = model
  if (description.precision !== 'float32') {
    throw new UserError('ALREADY_OPTIMIZED', `${model.path} is ${description.precision} already`, {
      hints: ['start from the float32 model'],
    })
  }
  const changed = {...description, precision: request.precision}
  const {device, skipped} = chooseDevice(model.bytes, request.devices)
  const before = openOrtSession(model.bytes, {threads: 1, device})
  const {bytes, quantised, keptFloat, fused} = convert(model, changed, before, probe, request)
  const after = openOrtSession(bytes, {threads: 1, device})
  const timings = time(before, after, probe, request.runs)
  const byKinds = timeByKinds(before, after, probe, request.runs)
  const drift = driftOf(before, after, probe)
  before.dispose()
  after.dispose()

  const reduction = 1 - timings.after.p50Ms / timings.before.p50Ms
  const reasons = [
    ...(quantised === 0 ? ['the model has no product worth converting'] : []),
    ...(request.precision === 'int8' && reduction <= 0
      ? [`it is not faster: p50 ${timings.after.p50Ms.toFixed(3)} ms against ${timings.before.p50Ms.toFixed(3)} ms`]
      : []),
    ...(request.precision === 'float16' && bytes.length >= model.bytes.length ? ['it is not smaller'] : []),
    ...(drift.decisionFlips > request.maxDrift
      ? [
          `it drifts: ${(100 * drift.decisionFlips).toFixed(2)} % of decisions change, allowed ${(100 * request.maxDrift).toFixed(2)} %`,
        ]
      : []),
    ...(drift.cosineMin < (probe.leastCosine ?? -1)
      ? [`it turns: cosine ${drift.cosineMin.toFixed(5)} at worst, allowed ${probe.leastCosine}`]
      : []),
  ]
  const result = {
    model: description.name,
    provider: device,
    skipped,
    precision: request.precision,
    before: {...timings.before, bytes: model.bytes.length},
    after: {...timings.after, bytes: bytes.length},
    reduction,
    ...(byKinds.length > 1 ? {byKinds} : {}),
    drift: {...drift, inputs: probe.inputs},
    quantisedProducts: quantised,
    keptFloat,
    fused,
    accepted: reasons.length === 0,
    reasons,
  }
  // Why a device was skipped names files of this machine, which are nobody else's business; a card travels.
  const onCard = {...result, skipped: skipped.map(each => each.device)}
  return {...result, output: result.accepted ? write(model, request.out, bytes, changed, onCard) : null}
}

interface Converted {
  readonly bytes: Uint8Array
  readonly quantised: number
  /** Products left in float because converting them moved the answers most. */
  readonly keptFloat: readonly string[]
  readonly fused: Fusions | undefined
}

/**
 * The encoder put together, then int8 for all products; where that drifts too far, the ones whose conversion alone moves the answers most go back to
 * float, a few more each time, until the rest holds or half of them are back.
 */
const convert = (
  {onnx, metadataOf}: Optimisable,
  description: Optimisable['description'],
  before: GraphSession,
  probe: Probe,
  {precision, maxDrift}: OptimizeRequest,
): Converted => {
  const bytesOf = (model: OnnxModel): Uint8Array =>
    writeOnnx({...model, metadata: {...model.metadata, ...metadataOf(description)}})
  if (precision === 'float16') {
    const model = storeAsHalf(onnx)
    return {bytes: bytesOf(model), quantised: model.nodes.length - onnx.nodes.length, keptFloat: [], fused: undefined}
  }
  const {model: whole, ...fused} = fuseEncoder(onnx)
  const all = quantiseInt8(whole)
  const driftWith = (keep: ReadonlySet<string>, cases: Probe) => {
    const session = openOrtSession(bytesOf(quantiseInt8(whole, {keep}).model), {threads: 1})
    const drift = driftOf(before, session, cases)
    session.dispose()
    return drift
  }
  const holds = (keep: ReadonlySet<string>): boolean => {
    const {decisionFlips, cosineMin} = driftWith(keep, probe)
    return decisionFlips <= maxDrift && cosineMin >= (probe.leastCosine ?? -1)
  }
  let kept: readonly string[] = []
  if (all.quantised > 1 && !holds(new Set())) {
    const sample = {...probe, count: Math.min(probe.count, SENSITIVITY_CASES)}
    const sensitivity = all.names.map(name => {
      const others = new Set(all.names.filter(other => other !== name))
      return {name, moved: driftWith(others, sample).maxAbs}
    })
    const ranked = sensitivity.sort((a, b) => b.moved - a.moved).map(({name}) => name)
    for (let count = 1; count <= ranked.length / 2; count += Math.ceil(count / 2)) {
      kept = ranked.slice(0, count)
      if (holds(new Set(kept))) break
    }
  }
  const {model, quantised} = quantiseInt8(whole, {keep: new Set(kept)})
  return {bytes: bytesOf(model), quantised, keptFloat: kept, fused}
}

const SENSITIVITY_CASES = 100

/** The first device that loads the model, with what the runtime said of those before it. */
const chooseDevice = (bytes: Uint8Array, devices: readonly Device[]) => {
  const skipped: {device: Device; reason: string}[] = []
  for (const device of devices.length > 0 ? devices : DEVICES) {
    try {
      openOrtSession(bytes, {threads: 1, device}).dispose()
      return {device, skipped}
    } catch (error) {
      skipped.push({device, reason: deviceFailure(device, error)})
    }
  }
  throw new UserError('NO_DEVICE', `none of ${devices.join(', ')} could load the model`, {
    hints: skipped.map(({device, reason}) => `${device}: ${reason}`),
  })
}

const windowsFor = async (description: ModelDescription, request: OptimizeRequest) => {
  const rowSize = description.window * description.width
  if (request.data === undefined) {
    const rng = createRng(request.seed, 'optimize')
    const {mean, deviation} = description.scaler
    const flags = new Set(schemaOf(description.features)?.modalities?.map(({flag}) => flag))
    const windows = Float32Array.from({length: request.windows * rowSize}, (_, i) => {
      const column = i % description.width
      // A kind of information is there or not; every other one is, by turns of a window.
      if (flags.has(column)) return Math.floor(i / rowSize) % 2
      return (mean[column] as number) + (deviation[column] as number) * rng.normal()
    })
    return {windows, inputs: 'synthetic' as const, timed: undefined}
  }
  const {dataset, embargoUs} = await loadTrainingData(dataRequest(description, request.data), rowKindOf(description))
  const cut = (ends: Int32Array): Float32Array => {
    const batch = allocateBatch(ends.length, description.window, description.width)
    fillBatch(dataset, ends, 0, description.window, batch)
    return batch.x
  }
  const ends = windowEnds(dataset, description.window)
  if (ends.length === 0) {
    throw new UserError('TOO_LITTLE_DATA', `${request.data} has no window of ${description.window} rows`, {
      hints: ['give more data, or none: drift is then measured on drawn windows'],
    })
  }
  const split = splitInTime(dataset, ends, {window: description.window, embargoUs})
  // Too short to be split, all of it serves: nothing is learned here.
  const orAll = (part: RowList): RowList => (part.length > 0 ? part : ends)
  return {
    windows: cut(spread(orAll(split.test), request.windows)),
    inputs: 'real' as const,
    timed: cut(spread(orAll(split.train), TIMED_WINDOWS)),
  }
}

/** Windows of the training part among which kinds that the test part lacks are looked for. */
const TIMED_WINDOWS = 4000

const dataRequest = ({horizon, labels}: ModelDescription, data: string): TrainingDataRequest => ({
  data,
  horizon,
  barrier: Number(labels['barrierDeviations'] ?? labels['thresholdSpreads']),
  costBps: Number(labels['costBps'] ?? 0),
  ...(labels['builtPeriodUs'] === undefined ? {} : {periodUs: Number(labels['builtPeriodUs'])}),
})

const OUTPUTS = ['probabilities', 'holding', 'move'] as const

const runOne = (session: GraphSession, windows: Float32Array, at: number, {window, width}: ModelDescription) => {
  const rowSize = window * width
  const data = windows.subarray(at * rowSize, (at + 1) * rowSize)
  return session.run({x: {type: 'float32', dims: [1, window, width], data}})
}

/** Both versions turn by turn, so that whatever else the machine does hits both alike. */
const time = (before: GraphSession, after: GraphSession, {count, run: ask}: Probe, runs: number) => {
  const samples = {before: new Float64Array(runs), after: new Float64Array(runs)}
  const warmUp = Math.min(20, runs)
  for (let run = -warmUp; run < runs; run++) {
    const at = Math.floor((Math.max(0, run) * count) / runs)
    for (const [name, session] of [
      ['before', before],
      ['after', after],
    ] as const) {
      const start = performance.now()
      ask(session, at)
      if (run >= 0) samples[name][run] = performance.now() - start
    }
  }
  const summary = (values: Float64Array) => {
    const sorted = values.toSorted()
    const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number
    return {p50Ms: quantile(0.5), p99Ms: quantile(0.99)}
  }
  return {before: summary(samples.before), after: summary(samples.after)}
}

/** Kinds of which fewer cases are there than this are not timed. */
const LEAST_CASES = 20

const timeByKinds = (before: GraphSession, after: GraphSession, probe: Probe, runs: number): KindTiming[] => {
  const {kinds} = probe
  if (kinds === undefined) return []
  const {run} = kinds
  const groups = Map.groupBy(
    Array.from({length: kinds.count}, (_, at) => at),
    kinds.nameOf,
  )
  return [...groups]
    .filter(([, cases]) => cases.length >= LEAST_CASES)
    .map(([name, cases]) => {
      const mine = {
        ...probe,
        count: cases.length,
        run: (session: GraphSession, i: number) => run(session, cases[i] ?? 0),
      }
      const timings = time(before, after, mine, runs)
      return {
        kinds: name,
        windows: cases.length,
        ...timings,
        reduction: 1 - timings.after.p50Ms / timings.before.p50Ms,
      }
    })
}

/** Windows by the names of the kinds of information in their last row, for models that have several. */
const kindsOf = (
  {features, window, width}: ModelDescription,
  windows: Float32Array,
  run: Probe['run'],
): Pick<Probe, 'kinds'> => {
  const kinds = schemaOf(features)?.modalities
  if (kinds === undefined) return {}
  const nameOf = (at: number): string => {
    const last = (at * window + window - 1) * width
    return kinds
      .filter(({flag}) => flag === undefined || windows[last + flag] === 1)
      .map(({name}) => name)
      .join(', ')
  }
  return {kinds: {count: windows.length / (window * width), run, nameOf}}
}

const driftOf = (before: GraphSession, after: GraphSession, {count, run, decide}: Probe) => {
  let [maxAbs, cosineMin, flips] = [0, 1, 0]
  for (let at = 0; at < count; at++) {
    const one = run(before, at)
    const two = run(after, at)
    for (const [i, value] of one.entries()) maxAbs = Math.max(maxAbs, Math.abs(value - (two[i] as number)))
    cosineMin = Math.min(cosineMin, cosine(one, two))
    if (decide(one) !== decide(two)) flips++
  }
  return {maxAbs, cosineMin, decisionFlips: flips / Math.max(1, count), windows: count}
}

const cosine = (a: readonly number[], b: readonly number[]): number => {
  const dot = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + value * (q[i] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

const write = (
  loaded: Pick<Optimisable, 'path' | 'sha256'>,
  out: string,
  bytes: Uint8Array,
  description: Optimisable['description'],
  optimised: object,
): string => {
  const file = out.endsWith('.onnx') ? out : path.join(out, `${description.name}.${description.precision}.onnx`)
  const cardPath = cardOf(loaded.path)
  writeWhole(file, bytes)
  if (existsSync(cardPath)) {
    const card = JSON.parse(readFileSync(cardPath, 'utf8')) as Record<string, unknown>
    const changed = {
      ...card,
      model: description,
      file: {name: path.basename(file), bytes: bytes.length, sha256: sha256(bytes)},
      optimised: {
        ...optimised,
        from: loaded.sha256,
        note: 'valid, test and verdict are those of the float32 model; drift says how far this one is from it',
      },
    }
    writeWhole(cardOf(file), `${JSON.stringify(changed, undefined, 2)}\n`)
  }
  return file
}
