import type {PolicyTable, RuleFigures} from './train-policy-table.ts'

/** The policy and its baselines as a table for people. */
export const policyReport = ({test, baselines}: PolicyTable<string>): string => {
  const cell = (text: string): string => text.padStart(22)
  const percent = (value: number, digits = 3): string => `${(100 * value).toFixed(digits)} %`
  const row = (name: string, figures: RuleFigures): string =>
    [
      name.padEnd(18),
      cell(percent(figures.return)),
      cell(
        figures.sharpe === null
          ? 'undefined'
          : `${figures.sharpe.toFixed(2)} [${figures.sharpeInterval?.low.toFixed(1) ?? '?'}, ${figures.sharpeInterval?.high.toFixed(1) ?? '?'}]`,
      ),
      cell(percent(figures.drawdown)),
      cell(figures.cash === null ? '' : percent(figures.cash, 1)),
    ].join('')
  return [
    ['test'.padEnd(18), ...['return', 'Sharpe [90 %]', 'drawdown', 'cash'].map(cell)].join(''),
    row('policy', test),
    ...Object.entries(baselines).map(([name, figures]) => row(name, figures)),
  ].join('\n')
}
