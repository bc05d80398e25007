import {mkdtempSync, rmSync} from 'node:fs'
import {loadavg, tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {ingest} from '../../src/core/ingest.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {Database, quoted} from '../../src/drivers/duckdb/database.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

// Ingest against plain DuckDB CSV → Parquet of the same file, interleaved in one run; then the tape against a bare scan
// of the same Parquet. A table of many symbols is also compared with DuckDB writing one file a symbol, as a catalog does.
// Figures are wall time, and CPU time of all threads, which a busy machine changes less.
// Run with: node test/bench/ingest.ts [rounds]

if (noTestData) {
  process.stdout.write('skipped: no market data (GPI_TEST_DATA)\n')
  process.exit(0)
}
const rounds = Number(process.argv[2] ?? 5)

const FILES: readonly (readonly [source: string, file: string])[] = [
  ['binance', 'lob/binance_usdm_BTCUSDT_20240808_depth.csv.gz'],
  ['binance', 'lob/binance_usdm_BTCUSDT_20240808_bbo.csv.gz'],
  ['lean', 'lob/lean_BAC_tick_quotes_2013-10.csv.gz'],
  ['lobster', 'lob/lobster_GOOG_2012-06-21_L10_0930_1400.csv.gz'],
  ['csv', 'intraday/us_1m_SPY_2024-03_2024-09.csv.gz'],
  ['spx', 'options/spx_chain_snapshots_2019-05.csv.gz'],
  ['csv', 'daily/sp500_constituents_1d_2013-02-08_2016-12-30.csv.gz'],
]

const folder = mkdtempSync(path.join(tmpdir(), 'gpi-bench-'))
interface Timing {
  readonly wallMs: number
  readonly cpuMs: number
}
const timed = async (run: () => Promise<unknown>): Promise<Timing> => {
  const start = performance.now()
  const cpu = process.cpuUsage()
  await run()
  const {user, system} = process.cpuUsage(cpu)
  return {wallMs: performance.now() - start, cpuMs: (user + system) / 1000}
}
const medianWall = (timings: readonly Timing[]) => median(timings.map(({wallMs}) => wallMs))
const medianCpu = (timings: readonly Timing[]) => median(timings.map(({cpuMs}) => cpuMs))
const against = (ours: readonly Timing[], plain: readonly Timing[]): string =>
  `ratio ${(medianWall(ours) / medianWall(plain)).toFixed(2)} wall, ${(medianCpu(ours) / medianCpu(plain)).toFixed(2)} CPU`
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const print = (text: string) => process.stdout.write(`${text}\n`)

try {
  print(
    `load ${loadavg()
      .map(l => l.toFixed(1))
      .join(' ')}, ${rounds} rounds, medians`,
  )
  const totals: {plain: Timing[]; ours: Timing[]}[] = []
  for (const [source, name] of FILES) {
    const file = dataFile(name)
    const plain: Timing[] = []
    const partitioned: Timing[] = []
    const ours: Timing[] = []
    let rows = 0
    for (let round = 0; round < rounds; round++) {
      const parquet = path.join(folder, 'plain.parquet')
      plain.push(
        await timed(async () => {
          await using database = await Database.open()
          await database.run(`COPY (SELECT * FROM read_csv(${quoted(file)})) TO ${quoted(parquet)} (FORMAT parquet)`)
        }),
      )
      if (name.includes('sp500')) {
        const parts = path.join(folder, 'parts')
        partitioned.push(
          await timed(async () => {
            await using database = await Database.open()
            await database.run(
              `COPY (SELECT * FROM read_csv(${quoted(file)})) TO ${quoted(parts)} (FORMAT parquet, PARTITION_BY (symbol))`,
            )
          }),
        )
        rmSync(parts, {recursive: true})
      }
      const out = path.join(folder, `catalog-${round}`)
      ours.push(
        await timed(async () => {
          rows = (await ingest({source, paths: [file], out, options: {}, skipInvalid: false, note: () => {}})).rows
        }),
      )
      rmSync(out, {recursive: true})
    }
    totals.push({plain, ours})
    print(
      `${name}: ${rows} rows, plain ${medianWall(plain).toFixed(0)} ms, gpi ${medianWall(ours).toFixed(0)} ms, ` +
        `${Math.round((rows / medianWall(ours)) * 1000).toLocaleString('en')} rows/s, ${against(ours, plain)}`,
    )
    if (partitioned.length > 0) print(`  against one Parquet file a symbol: ${against(ours, partitioned)}`)
  }
  const total = (which: 'plain' | 'ours', of: (timings: readonly Timing[]) => number) =>
    totals.reduce((sum, timings) => sum + of(timings[which]), 0)
  print(
    `all files: ratio ${(total('ours', medianWall) / total('plain', medianWall)).toFixed(2)} wall, ` +
      `${(total('ours', medianCpu) / total('plain', medianCpu)).toFixed(2)} CPU`,
  )

  const out = path.join(folder, 'tape')
  const synthetic = {events: 3_000_000, symbols: ['SPY', 'QQQ'], seed: 1}
  const made = await timed(() =>
    ingest({source: 'synthetic', paths: [], out, options: {}, synthetic, skipInvalid: false, note: () => {}}),
  )
  print(`synthetic: ${Math.round((3e6 / made.wallMs) * 1000).toLocaleString('en')} rows/s generated and published`)
  const scan: Timing[] = []
  const tape: Timing[] = []
  for (let round = 0; round < rounds; round++) {
    scan.push(
      await timed(async () => {
        await using database = await Database.open()
        for (const [kind, columns] of [
          ['quote', 'bid_ticks, ask_ticks, bid_lots, ask_lots'],
          ['trade', 'price_ticks, size_lots, 0, 0'],
        ] as const) {
          for await (const chunk of database.stream(
            `SELECT COLUMNS(*)::DOUBLE FROM (SELECT ts_us, ${columns} FROM read_parquet(${quoted(`${out}/ingest=*/kind=${kind}/**/*.parquet`)}))`,
          )) {
            for (let i = 0; i < 5; i++) chunk.getColumnVector(i)
          }
        }
      }),
    )
    tape.push(
      await timed(async () => {
        for await (const _ of (await openCatalog(out)).chunks());
      }),
    )
  }
  print(
    `tape: ${Math.round((3e6 / medianWall(tape)) * 1000).toLocaleString('en')} rows/s merged in time order, ` +
      `${(medianWall(tape) / medianWall(scan)).toFixed(2)} × (CPU ${(medianCpu(tape) / medianCpu(scan)).toFixed(2)} ×) an unordered scan of the same files`,
  )
} finally {
  rmSync(folder, {recursive: true, force: true})
}
