/**
 * node test/bench/vendor-agreement.ts: our implied volatilities and deltas against the vendor's columns, by moneyness, for
 * every CBOE and SPX file of the test data, and file by file.
 */
// A bench's arrays are read under `!` below their length.
import {existsSync, readFileSync} from 'node:fs'
import {gunzipSync} from 'node:zlib'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {buildChain} from '../../src/options/chain.ts'
import {impliedTotalVolatility} from '../../src/options/implied-volatility.ts'
import {type Agreement, compareWithVendor} from '../options/vendor-agreement.ts'
import {cboeFiles, readCboe, readSpx, type VendorChain} from '../support/option-chains.ts'
import {dataFile, testData} from '../support/test-data.ts'

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

/** One line a file: that each is compared, and how far it agrees near the money beyond two days. */
const perFile = new Map<string, Agreement[]>()
const note = (name: string, rows: readonly Agreement[]): void => {
  perFile.set(name, (perFile.get(name) ?? []).concat(rows))
}
const printFiles = (): void => {
  process.stdout.write(
    '\nfile                                        contracts   near the money beyond two days: |Δσ| p50   |Δdelta| p50\n',
  )
  for (const [name, rows] of perFile) {
    const near = rows.filter(r => r.days > 2 && Math.abs(r.deviation) < 1 && r.isOutOfTheMoney)
    const volatility = quantile(
      near.map(r => 100 * Math.abs(r.volatilityGap)),
      0.5,
    )
    const delta = quantile(
      near.map(r => Math.abs(r.deltaGap)),
      0.5,
    )
    process.stdout.write(
      `${name.padEnd(42)}${String(rows.length).padStart(9)}${volatility.toFixed(3).padStart(42)}${delta.toFixed(4).padStart(15)}\n`,
    )
  }
}

/** A file of volatilities of bid and ask beside the mid of calls (undiscounted): no quotes, hence no chain of ours. */
const compareBidAsk = (name: string): void => {
  const [, ...lines] = gunzipSync(readFileSync(dataFile(`options/${name}`)))
    .toString('utf8')
    .trim()
    .split('\n')
  const gaps: number[] = []
  let inside = 0
  for (const line of lines) {
    const [, years, strike, bid, ask, forward, mid] = line.split(',').map(Number) as number[]
    if (!(bid! > 0 && ask! > bid! && mid! > 0)) continue
    const total = impliedTotalVolatility(mid!, forward!, strike!, true)
    const volatility = total / Math.sqrt(years!)
    if (!(volatility > 0)) continue
    if (volatility >= bid! - 1e-6 && volatility <= ask! + 1e-6) inside++
    // The mid of prices is not the mid of volatilities in the wings: near the money it is.
    if (Math.abs(Math.log(strike! / forward!)) < total) gaps.push(100 * Math.abs(volatility - 0.5 * (bid! + ask!)))
  }
  process.stdout.write(
    `\n${name}: ${lines.length} rows; volatility of the call’s mid between those of bid and ask: ${inside}; within a deviation |Δσ| to their middle p50 ${quantile(gaps, 0.5).toFixed(3)} p90 ${quantile(gaps, 0.9).toFixed(3)} points, ${gaps.length} rows\n`,
  )
}

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
    note(name, rows)
    const index = /SPX|NDX/.test(name)
    if (index) groups['SPX, NDX within two days (CBOE)']?.push(...rows.filter(r => r.days <= 2))
    groups[index ? 'SPX, NDX beyond two days (CBOE)' : 'SPY, QQQ, AMD beyond two days (CBOE)']?.push(
      ...rows.filter(r => r.days > 2),
    )
  }
  const spx = (name: string, group: string): void => {
    for (const chain of readSpx(name)) {
      const rows = analyse(chain)
      note(name, rows)
      groups[group]?.push(...rows)
    }
  }
  spx('spx_chain_eod_2018-01_02.csv.gz', 'SPX 2018, end of day')
  for (const month of ['04', '05', '06']) spx(`spx_chain_snapshots_2019-${month}.csv.gz`, 'SPX 2019, snapshots')
  for (const [title, rows] of Object.entries(groups)) print(title, rows)
  printFiles()
  compareBidAsk('spx_implied_vol_bid_ask_2023-02-15.csv.gz')
}
