/**
 * node test/bench/vendor-agreement.ts: our implied volatilities and deltas against the vendor's columns, by moneyness, for
 * every CBOE and SPX chain of the test data.
 */
import {existsSync} from 'node:fs'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {buildChain} from '../../src/options/chain.ts'
import {type Agreement, compareWithVendor} from '../options/vendor-agreement.ts'
import {cboeFiles, readCboe, readSpx, type VendorChain} from '../support/option-chains.ts'
import {testData} from '../support/test-data.ts'

const BANDS = [
  ['below −3', Number.NEGATIVE_INFINITY, -3],
  ['−3 … −2', -3, -2],
  ['−2 … −1', -2, -1],
  ['−1 … −0.25', -1, -0.25],
  ['at the money', -0.25, 0.25],
  ['0.25 … 1', 0.25, 1],
  ['1 … 2', 1, 2],
  ['2 … 3', 2, 3],
  ['above 3', 3, Number.POSITIVE_INFINITY],
] as const

const quantile = (values: readonly number[], p: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(Math.floor(p * values.length), values.length - 1)] ?? Number.NaN

const print = (title: string, rows: readonly Agreement[]): void => {
  process.stdout.write(`\n${title}: ${rows.length} contracts\n`)
  process.stdout.write(
    'ln(K/F)/(σ√T)   side      n   |Δσ| p50   p90 (vol points)   half-spread p50   inside ½ spread   |Δdelta| p50    p90\n',
  )
  for (const [name, low, high] of BANDS)
    for (const isOutOfTheMoney of [true, false]) {
      const band = rows.filter(r => r.deviation >= low && r.deviation < high && r.isOutOfTheMoney === isOutOfTheMoney)
      if (band.length === 0) continue
      const gaps = band.map(r => 100 * Math.abs(r.volatilityGap))
      const deltas = band.map(r => Math.abs(r.deltaGap))
      const inside = band.filter(r => Math.abs(r.volatilityGap) <= r.halfSpread).length / band.length
      const cells = [
        name.padEnd(14),
        isOutOfTheMoney ? 'otm' : 'itm',
        String(band.length).padStart(8),
        quantile(gaps, 0.5).toFixed(3).padStart(10),
        quantile(gaps, 0.9).toFixed(2).padStart(7),
        (
          100 *
          quantile(
            band.map(r => r.halfSpread),
            0.5,
          )
        )
          .toFixed(3)
          .padStart(27),
        `${(100 * inside).toFixed(0)} %`.padStart(17),
        quantile(deltas, 0.5).toFixed(4).padStart(14),
        quantile(deltas, 0.9).toFixed(3).padStart(7),
      ]
      process.stdout.write(`${cells.join('  ')}\n`)
    }
}

if (!existsSync(testData)) {
  process.stdout.write(`no data at ${testData}: set GPI_TEST_DATA\n`)
} else {
  const analyse = ({quotes}: VendorChain): Agreement[] =>
    compareWithVendor(americanChainGreeks(buildChain(quotes)), quotes)
  const groups: Record<string, Agreement[]> = {
    'SPX, NDX beyond two days (CBOE)': [],
    'SPX, NDX within two days (CBOE)': [],
    'SPY, QQQ, AMD beyond two days (CBOE)': [],
    'SPX 2018, end of day': [],
    'SPX 2019, snapshots': [],
  }
  for (const name of cboeFiles()) {
    const rows = analyse(readCboe(name))
    const index = /SPX|NDX/.test(name)
    if (index) groups['SPX, NDX within two days (CBOE)']?.push(...rows.filter(r => r.days <= 2))
    groups[index ? 'SPX, NDX beyond two days (CBOE)' : 'SPY, QQQ, AMD beyond two days (CBOE)']?.push(
      ...rows.filter(r => r.days > 2),
    )
  }
  for (const chain of readSpx('spx_chain_eod_2018-01_02.csv.gz'))
    groups['SPX 2018, end of day']?.push(...analyse(chain))
  for (const month of ['04', '05', '06'])
    for (const chain of readSpx(`spx_chain_snapshots_2019-${month}.csv.gz`))
      groups['SPX 2019, snapshots']?.push(...analyse(chain))
  for (const [title, rows] of Object.entries(groups)) print(title, rows)
}
