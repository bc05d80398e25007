import type {Metrics} from '../models/metrics.ts'

/** Rows of macro-F1, MCC, accuracy and recalls, aligned for a terminal. */
export const metricsTable = (rows: Readonly<Record<string, Metrics>>): string => {
  const heads = ['macro-F1', 'MCC', 'accuracy', 'down', 'flat', 'up']
  const line = (name: string, cells: readonly string[]): string =>
    [name.padEnd(14), ...cells.map(cell => cell.padStart(9))].join(' ')
  return [
    line('', heads),
    ...Object.entries(rows).map(([name, {macroF1, mcc, accuracy, recall}]) =>
      line(
        name,
        [macroF1, mcc, accuracy, recall.down, recall.flat, recall.up].map(value => value.toFixed(4)),
      ),
    ),
  ].join('\n')
}
