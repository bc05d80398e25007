import {createRequire} from 'node:module'
import {env, Tensor} from 'onnxruntime-node'
import type {GraphSession, SessionOptions, SessionTensor} from '../../nn/execution.ts'

/**
 * The native session of onnxruntime-node 1.30. Its public `run()` calls this same blocking method inside
 * `setImmediate`, which is neither asynchronous nor usable in a synchronous loop, so gpi calls it directly: in a worker
 * where an event loop must stay free, in place where a deterministic loop waits for the answer.
 */
interface NativeSession {
  readonly inputMetadata: readonly {readonly name: string}[]
  readonly outputMetadata: readonly {readonly name: string}[]
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: object): void
  run(feeds: Record<string, Tensor>, fetches: Record<string, Tensor | null>, options: object): Record<string, Tensor>
  dispose(): void
}

interface NativeBinding {
  readonly binding: {
    readonly InferenceSession: new () => NativeSession
    readonly listSupportedBackends: () => readonly {readonly name: string; readonly bundled: boolean}[]
  }
  readonly initOrt: () => void
}

const native = (): NativeBinding => {
  const loaded = createRequire(import.meta.url)('onnxruntime-node/dist/binding.js') as NativeBinding
  // What fails is thrown and reported by whoever asked; the runtime's own log would only scribble on stderr.
  env.logLevel = 'fatal'
  loaded.initOrt()
  return loaded
}

/** Execution providers this build of the runtime knows, whether or not their libraries are installed. */
export const knownBackends = (): readonly {readonly name: string; readonly bundled: boolean}[] =>
  native().binding.listSupportedBackends()

/** Loads a model for blocking runs. Throws what ONNX Runtime says when the bytes or the device are refused. */
export const openOrtSession = (model: Uint8Array, {threads, device = 'cpu'}: SessionOptions): GraphSession => {
  const session = new (native().binding.InferenceSession)()
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  })
  const inputNames = session.inputMetadata.map(({name}) => name)
  const outputNames = session.outputMetadata.map(({name}) => name)
  const wrapped = new WeakMap<SessionTensor, Tensor>()
  const wrap = (tensor: SessionTensor): Tensor => {
    const known = wrapped.get(tensor)
    if (known !== undefined) return known
    const made = new Tensor(tensor.type, tensor.data as never, tensor.dims)
    wrapped.set(tensor, made)
    return made
  }
  return {
    inputNames,
    outputNames,
    run(feeds, into = {}) {
      const given: Record<string, Tensor> = {}
      for (const name of inputNames) {
        const feed = feeds[name]
        if (feed === undefined) throw new RangeError(`input "${name}" was not fed`)
        given[name] = wrap(feed)
      }
      const fetches: Record<string, Tensor | null> = {}
      for (const name of outputNames) fetches[name] = into[name] === undefined ? null : wrap(into[name])
      const results = session.run(given, fetches, {})
      const out: Record<string, SessionTensor> = {}
      for (const name of outputNames) out[name] = into[name] ?? sessionTensor(results[name] as Tensor)
      return out
    },
    dispose: () => session.dispose(),
  }
}

const sessionTensor = (tensor: Tensor): SessionTensor => {
  if (tensor.type !== 'float32' && tensor.type !== 'int64')
    throw new RangeError(`an output of type ${tensor.type} is not supported`)
  return {type: tensor.type, dims: tensor.dims, data: tensor.data as Float32Array | BigInt64Array}
}
