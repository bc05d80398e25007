import type {OnnxTypeName} from './onnx-model.ts'

/** Numbers on their way into or out of a session: float32 values, or int64 ones. */
export interface SessionTensor {
  readonly type: Extract<OnnxTypeName, 'float32' | 'int64'>
  readonly dims: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

export interface SessionOptions {
  /** Threads inside one operator. 1 makes every result a pure function of its inputs, bit for bit. */
  readonly threads: number
  /** Execution provider; `cpu` always exists. */
  readonly device?: string
}

/** A loaded model that runs where it is called. The port of `nn` to its executor (`drivers/onnx/ort-session.ts`). */
export interface GraphSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /**
   * Runs the graph, blocking until it is done. `into` holds arrays that outputs are written to; an output not in it is
   * allocated. An array must not be fed and written in one call.
   */
  readonly run: (
    feeds: Readonly<Record<string, SessionTensor>>,
    into?: Readonly<Record<string, SessionTensor>>,
  ) => Readonly<Record<string, SessionTensor>>
  readonly dispose: () => void
}

export type OpenSession = (model: Uint8Array, options: SessionOptions) => GraphSession
