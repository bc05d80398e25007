// Labels are indexed inside their bounds, hence the `!`.
import {type Dataset, persistentLabel} from './dataset.ts'
import {classMetrics, type Metrics} from './metrics.ts'
import type {RowList} from './row-runs.ts'
import {labelsOf} from './trainer.ts'

/** Always the class that was commonest in training. */
export const majorityDecisions = (dataset: Dataset, train: RowList, test: Int32Array): Int8Array => {
  const counts = [0, 0, 0]
  for (let i = 0; i < train.length; i++) counts[dataset.rows.field(train.at(i)!, 'label')]!++
  return new Int8Array(test.length).fill(counts.indexOf(Math.max(...counts)))
}

/** The last label that could be known when the window ended. */
export const persistenceDecisions = (dataset: Dataset, test: Int32Array): Int8Array =>
  Int8Array.from(test, row => persistentLabel(dataset, row))

export const majorityBaseline = (dataset: Dataset, train: RowList, test: Int32Array): Metrics =>
  classMetrics(labelsOf(dataset, test), majorityDecisions(dataset, train, test))

export const persistenceBaseline = (dataset: Dataset, test: Int32Array): Metrics =>
  classMetrics(labelsOf(dataset, test), persistenceDecisions(dataset, test))
