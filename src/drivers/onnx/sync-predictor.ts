import {
  allocatePrediction,
  copyPrediction,
  OUTPUT_WIDTHS,
  outputsOf,
  type SyncPredictor,
} from '../../models/inference.ts'
import type {ModelDescription} from '../../models/model-file.ts'
import {requireFinite} from '../../models/signal-model.ts'
import type {SessionTensor} from '../../nn/execution.ts'
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
  const outputs = outputsOf(session.outputNames)
  const one = allocatePrediction(outputs, 1)
  const into: Record<string, SessionTensor> = Object.fromEntries(
    outputs.map(name => {
      const width = OUTPUT_WIDTHS[name]
      return [name, {type: 'float32', dims: width === 1 ? [1] : [1, width], data: one[name] as Float32Array}]
    }),
  )
  return {
    device,
    outputs,
    predict(windows, rows) {
      if (windows.length < rows * rowSize) {
        throw new RangeError(
          `${rows} windows of ${window} × ${width} need ${rows * rowSize} values, were ${windows.length}`,
        )
      }
      requireFinite(windows.subarray(0, rows * rowSize), width)
      const out = allocatePrediction(outputs, rows)
      for (let row = 0; row < rows; row++) {
        input.set(windows.subarray(row * rowSize, (row + 1) * rowSize))
        session.run(feeds, into)
        copyPrediction(one, 0, 1, out, row)
      }
      return out
    },
    [Symbol.dispose]: () => session.dispose(),
  }
}
