// Labels are indexed inside their bounds, hence the `!`.
import {type Dataset, persistentLabel} from './dataset.ts'
import {classMetrics, type Metrics} from './metrics.ts'
import type {RowList} from './row-runs.ts'
import {labelsOf} from './trainer.ts'

/** Always the class that was commonest in training. */
export const majorityBaseline = (dataset: Dataset, train: RowList, test: Int32Array): Metrics => {
  const counts = [0, 0, 0]
  for (let i = 0; i < train.length; i++) counts[dataset.rows.field(train.at(i)!, 'label')]!++
  const common = counts.indexOf(Math.max(...counts))
  return classMetrics(labelsOf(dataset, test), new Int8Array(test.length).fill(common))
}

/** The last label that could be known when the window ended. */
export const persistenceBaseline = (dataset: Dataset, test: Int32Array): Metrics =>
  classMetrics(
    labelsOf(dataset, test),
    Int8Array.from(test, row => persistentLabel(dataset, row)),
  )
