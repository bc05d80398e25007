import {Worker} from 'node:worker_threads'
import {
  allocatePrediction,
  copyPrediction,
  OUTPUT_WIDTHS,
  type OutputName,
  type Prediction,
  type Predictor,
} from '../../models/inference.ts'
import type {ModelDescription} from '../../models/model-file.ts'
import {requireFinite} from '../../models/signal-model.ts'
import type {PredictorReply, PredictorWorkerData} from './predictor-worker.ts'

/** Windows that one message to the worker may carry; more callers wait for the next. */
export const MAX_BATCH = 256

interface Job {
  readonly windows: Float32Array
  readonly rows: number
  readonly resolve: (prediction: Prediction) => void
  readonly reject: (error: Error) => void
}

export interface WorkerPredictorOptions {
  readonly device?: string
}

/**
 * Serves a signal model from a worker thread: one copy of the model for any number of callers. Requests that arrive
 * while the worker is busy travel together in its next message (micro-batching), through shared memory. The event loop
 * only copies windows and answers. Rejects when the device cannot load the model.
 */
export const openWorkerPredictor = async (
  model: Uint8Array,
  {window, width}: Pick<ModelDescription, 'window' | 'width'>,
  {device = 'cpu'}: WorkerPredictorOptions = {},
): Promise<Predictor> => {
  const shared = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
  const rowSize = window * width
  const memory: PredictorWorkerData = {
    model,
    window,
    width,
    device,
    windows: shared(MAX_BATCH * rowSize),
    prediction: allocatePrediction(Object.keys(OUTPUT_WIDTHS) as OutputName[], MAX_BATCH, shared),
  }
  const file = import.meta.url.endsWith('.ts') ? './predictor-worker.ts' : './predictor-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData: memory})
  const running = await new Promise<Running>((resolve, reject) => {
    worker.once('message', (reply: PredictorReply) => {
      if (reply.kind === 'ready') resolve(reply)
      else reject(new Error(reply.kind === 'failed' ? reply.message : 'the worker answered before it was ready'))
    })
    worker.once('error', reject)
  }).catch(async error => {
    await worker.terminate()
    throw error
  })
  // A serving worker must not keep a finished program alive.
  worker.unref()
  return new WorkerPredictor(worker, memory, rowSize, width, running)
}

interface Running {
  readonly device: string
  readonly outputs: readonly OutputName[]
}

class WorkerPredictor implements Predictor {
  readonly device: string
  readonly #outputs: readonly OutputName[]
  readonly #worker: Worker
  readonly #memory: PredictorWorkerData
  readonly #rowSize: number
  readonly #width: number
  readonly #waiting: Job[] = []
  #running: Job[] = []
  #failure: Error | undefined

  constructor(worker: Worker, memory: PredictorWorkerData, rowSize: number, width: number, {device, outputs}: Running) {
    this.#worker = worker
    this.#memory = memory
    this.#rowSize = rowSize
    this.#width = width
    this.device = device
    this.#outputs = outputs
    worker.on('message', (reply: PredictorReply) => this.#finish(reply))
    worker.on('error', (error: Error) => this.#fail(error))
    worker.on('exit', code => this.#fail(new Error(`the inference thread ended with code ${code}`)))
  }

  async predict(windows: Float32Array, rows: number): Promise<Prediction> {
    if (this.#failure !== undefined) throw this.#failure
    if (rows < 1 || rows > MAX_BATCH) throw new RangeError(`a request holds 1 to ${MAX_BATCH} windows, was ${rows}`)
    if (windows.length < rows * this.#rowSize) {
      throw new RangeError(`${rows} windows need ${rows * this.#rowSize} values, were ${windows.length}`)
    }
    const used = windows.slice(0, rows * this.#rowSize)
    // Checked here, so that one caller's bad window does not fail those it would travel with.
    requireFinite(used, this.#width)
    return new Promise<Prediction>((resolve, reject) => {
      this.#waiting.push({windows: used, rows, resolve, reject})
      if (this.#running.length === 0) this.#dispatch()
    })
  }

  #dispatch(): void {
    let rows = 0
    while (this.#waiting.length > 0 && rows + (this.#waiting[0] as Job).rows <= MAX_BATCH) {
      const job = this.#waiting.shift() as Job
      this.#memory.windows.set(job.windows, rows * this.#rowSize)
      rows += job.rows
      this.#running.push(job)
    }
    if (rows === 0) return
    this.#worker.ref()
    this.#worker.postMessage(rows)
  }

  #finish(reply: PredictorReply): void {
    const done = this.#running
    this.#running = []
    this.#worker.unref()
    let at = 0
    for (const {rows, resolve, reject} of done) {
      if (reply.kind === 'failed') reject(new Error(reply.message))
      else {
        const answer = allocatePrediction(this.#outputs, rows)
        copyPrediction(this.#memory.prediction, at, rows, answer, 0)
        resolve(answer)
      }
      at += rows
    }
    this.#dispatch()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const {reject} of [...this.#running, ...this.#waiting.splice(0)]) reject(error)
    this.#running = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new Error('the predictor was closed'))
    await this.#worker.terminate()
  }
}
