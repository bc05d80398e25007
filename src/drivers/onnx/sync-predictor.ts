import type {Prediction, SyncPredictor} from '../../models/inference.ts'
import type {ModelDescription} from '../../models/model-file.ts'
import {requireFinite} from '../../models/signal-model.ts'
import type {GraphSession, SessionTensor} from '../../nn/execution.ts'
import {openOrtSession} from './ort-session.ts'

/**
 * Runs a signal model on the calling thread, one window at a time with one thread inside: a pure function of the window,
 * bit for bit the same as what `workerPredictor` gives.
 */
export const openSyncPredictor = (
  model: Uint8Array,
  {window, width}: Pick<ModelDescription, 'window' | 'width'>,
  device = 'cpu',
): SyncPredictor => {
  const session = openOrtSession(model, {threads: 1, device})
  const rowSize = window * width
  const input = new Float32Array(rowSize)
  const feeds = {x: {type: 'float32' as const, dims: [1, window, width], data: input}}
  const into: Record<string, SessionTensor> = {
    probabilities: {type: 'float32', dims: [1, 3], data: new Float32Array(3)},
    holding: {type: 'float32', dims: [1], data: new Float32Array(1)},
    move: {type: 'float32', dims: [1], data: new Float32Array(1)},
  }
  return {
    device,
    predict(windows, rows) {
      if (windows.length < rows * rowSize) {
        throw new RangeError(
          `${rows} windows of ${window} × ${width} need ${rows * rowSize} values, were ${windows.length}`,
        )
      }
      requireFinite(windows.subarray(0, rows * rowSize), width)
      return predictEach(session, windows, rows, rowSize, {feeds, into, input})
    },
    [Symbol.dispose]: () => session.dispose(),
  }
}

interface Buffers {
  readonly feeds: Readonly<Record<string, SessionTensor>>
  readonly into: Readonly<Record<string, SessionTensor>>
  readonly input: Float32Array
}

const predictEach = (
  session: GraphSession,
  windows: Float32Array,
  rows: number,
  rowSize: number,
  {feeds, into, input}: Buffers,
): Prediction => {
  const out = {probabilities: new Float32Array(3 * rows), holding: new Float32Array(rows), move: new Float32Array(rows)}
  for (let row = 0; row < rows; row++) {
    input.set(windows.subarray(row * rowSize, (row + 1) * rowSize))
    session.run(feeds, into)
    out.probabilities.set(into['probabilities']?.data as Float32Array, 3 * row)
    out.holding.set(into['holding']?.data as Float32Array, row)
    out.move.set(into['move']?.data as Float32Array, row)
  }
  return out
}
