import {openRowSpill} from '../../src/core/row-spill.ts'
import {createRng} from '../../src/domain/rng.ts'
import {ScalerFit} from '../../src/features/features.ts'
import {barDataset} from '../../src/models/bar-dataset.ts'
import {allocateBatch, fillBatch, widthOf, windowEnds} from '../../src/models/dataset.ts'
import {permutation} from '../../src/models/shuffle.ts'
import {splitInTime} from '../../src/models/splits.ts'

/**
 * Rows from a generator through store, split, scaler and shuffled batches; prints what memory holds at the end. Run with
 * --expose-gc. Arguments: rows, bytes of the budget.
 */
const rows = Number(process.argv[2])
const MINUTE = 60_000_000
const OPEN = Date.UTC(2025, 5, 2, 13, 30) * 1000
const rng = createRng(1)
let price = 100
const dataset = await barDataset(
  {
    session: 'us-equity',
    periodUs: MINUTE,
    histories: [
      {
        symbol: 'AAA',
        sha256: '',
        read: async sink => {
          for (let row = 0; row < rows; row++) {
            const open = price
            price *= Math.exp(0.001 * rng.normal())
            const tsUs = OPEN + Math.floor(row / 390) * 1440 * MINUTE + ((row % 390) + 1) * MINUTE
            sink.onBar({tsUs, open, high: Math.max(open, price), low: Math.min(open, price), close: price, volume: 9})
          }
        },
      },
    ],
  },
  {
    rows: 'multi',
    ...{horizon: 6, barrier: 0.8, costBps: 1},
    store: {budgetBytes: Number(process.argv[3]), spill: () => openRowSpill()},
  },
)
const ends = windowEnds(dataset, 16)
const split = splitInTime(dataset, ends, {window: 16, embargoUs: 86_400_000_000})
const scaler = new ScalerFit(widthOf(dataset), dataset.schema.modalities)
const row = new Float32Array(widthOf(dataset))
for (const at of split.train) {
  dataset.rows.features(at, 1, row)
  scaler.add(row)
}
const batch = allocateBatch(128, 16, widthOf(dataset))
const order = permutation(split.train.length, createRng(2))
for (let step = 0; step < 100; step++) {
  const chosen = Int32Array.from({length: 128}, (_, i) => split.train.at(order(step * 128 + i)) as number)
  fillBatch(dataset, chosen, 0, 16, batch)
}
globalThis.gc?.()
const {heapUsed, arrayBuffers, rss} = process.memoryUsage()
process.stdout.write(
  `${JSON.stringify({rows: dataset.rows.length, rowBytes: 4 * widthOf(dataset) + 80, heapUsed, arrayBuffers, rss, train: split.train.length})}\n`,
)
