import type {ReportData} from './report-data.ts'

/** Costs besides fees, spread and slippage that the run had, by name: not every version knows each, such as borrowing. */
export const furtherCosts = (costs: ReportData['costs']): readonly {readonly name: string; readonly micros: number}[] =>
  Object.entries(costs).flatMap(([key, micros]) =>
    ['feesMicros', 'spreadMicros', 'slippageMicros'].includes(key) || typeof micros !== 'number' || micros === 0
      ? []
      : [{name: key.replace(/Micros$/, ''), micros}],
  )
