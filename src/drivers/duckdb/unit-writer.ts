import {mkdir, open, readdir, rename, rm, writeFile} from 'node:fs/promises'
import path from 'node:path'
import type {CatalogPart, CatalogUnit} from '../../data/catalog.ts'
import {civilOf, dayOf, formatDay, utcDayOf} from '../../domain/calendar.ts'
import {UserError} from '../../domain/errors.ts'
import {US_PER_DAY} from '../../domain/units.ts'
import {type Database, quoted} from './database.ts'
import {type NormalisedOutput, type RowGroup, storedSelect} from './normalise.ts'

export const unitFolder = (key: string): string => `ingest=${key}`
const STAGING = '.staging-'

/** Makes the catalog's folder, refusing a file in its place; clears what killed ingests left behind. */
export const prepareCatalog = async (dir: string): Promise<void> => {
  try {
    await mkdir(dir, {recursive: true})
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new UserError('OUT_IS_A_FILE', `--out ${dir} is a file, not a folder`, {
        hints: ['name a folder for the catalog'],
      })
    }
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') throw readOnly(dir, error)
    throw error
  }
}

const readOnly = (dir: string, cause: unknown): UserError =>
  new UserError('OUT_IS_READ_ONLY', `--out ${dir} cannot be written`, {
    cause,
    hints: ['choose a folder you may write to'],
  })

/** Removes staging folders whose process is gone. */
export const sweepStaging = async (dir: string, isAlive: (pid: number) => boolean): Promise<void> => {
  for (const name of await readdir(dir)) {
    if (!name.startsWith(STAGING)) continue
    const pid = Number(name.slice(STAGING.length).split('-')[0])
    if (!isAlive(pid)) await rm(path.join(dir, name), {recursive: true, force: true})
  }
}

export const createStaging = async (dir: string, pid: number, label: string): Promise<string> => {
  const staging = path.join(dir, `${STAGING}${pid}-${label}`)
  try {
    await rm(staging, {recursive: true, force: true})
    await mkdir(staging)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') throw readOnly(dir, error)
    throw error
  }
  return staging
}

/** Writes an output's parts under `folder`, one Parquet file a kind, symbol and date. */
export const writeParts = async (
  database: Database,
  folder: string,
  output: NormalisedOutput,
  signal: AbortSignal | undefined,
): Promise<CatalogPart[]> => {
  const parts: CatalogPart[] = []
  for (const group of output.groups) {
    for (const slice of slicesOf(group)) {
      signal?.throwIfAborted()
      const period = group.periodUs === undefined ? '' : `-${group.periodUs / 1_000_000}s`
      const relative = path.join(
        `kind=${output.kind}`,
        `symbol=${encodeURIComponent(group.symbol)}`,
        `date=${slice.date}`,
        `part${period}.parquet`,
      )
      const file = path.join(folder, relative)
      await mkdir(path.dirname(file), {recursive: true})
      const range = slice.range === undefined ? '' : ` AND ts_us >= ${slice.range[0]} AND ts_us < ${slice.range[1]}`
      const copied = await database.connection.runAndReadAll(
        `COPY (${storedSelect(output.kind, output.table, group, range)}) TO ${quoted(file)} (FORMAT parquet, RETURN_STATS true)`,
      )
      const [stats] = copied.getRowObjectsJS() as {count: bigint; column_statistics: unknown}[]
      const rows = Number(stats?.count ?? 0)
      if (rows === 0) {
        await rm(path.dirname(file), {recursive: true})
        continue
      }
      const bounds =
        slice.range === undefined
          ? {from_us: group.fromUs, to_us: group.toUs}
          : await database.one<{from_us: number; to_us: number}>(
              `SELECT min(ts_us) AS from_us, max(ts_us) AS to_us FROM read_parquet(${quoted(file)})`,
            )
      parts.push({
        path: relative,
        kind: output.kind,
        symbol: group.symbol,
        date: slice.date,
        rows,
        fromUs: bounds.from_us,
        toUs: bounds.to_us,
        ...(group.periodUs === undefined ? {} : {periodUs: group.periodUs}),
      })
    }
  }
  return parts
}

const ROWS_WORTH_A_PART = 5_000

/** Time slices of about a part's worth of rows: days, months, years or everything, UTC. */
const slicesOf = (group: RowGroup): {readonly date: string; readonly range?: readonly [number, number]}[] => {
  const first = utcDayOf(group.fromUs)
  const last = utcDayOf(group.toUs)
  const perDay = group.rows / (last - first + 1)
  const step =
    perDay >= ROWS_WORTH_A_PART
      ? 'day'
      : perDay * 30 >= ROWS_WORTH_A_PART
        ? 'month'
        : perDay * 365 >= ROWS_WORTH_A_PART
          ? 'year'
          : 'all'
  if (step === 'all') return [{date: 'all'}]
  const slices: {date: string; range: [number, number]}[] = []
  for (let day = first; day <= last; ) {
    const {year, month} = civilOf(day)
    const next =
      step === 'day'
        ? day + 1
        : step === 'year'
          ? dayOf(year + 1, 1, 1)
          : month === 12
            ? dayOf(year + 1, 1, 1)
            : dayOf(year, month + 1, 1)
    const text = formatDay(day)
    slices.push({
      date: step === 'day' ? text : step === 'month' ? text.slice(0, 7) : text.slice(0, 4),
      range: [day * US_PER_DAY, next * US_PER_DAY],
    })
    day = next
  }
  return slices.length === 1 && slices[0] !== undefined ? [{date: slices[0].date}] : slices
}

/** Syncs the staged unit to disk and puts it in place by one rename: before it, nobody sees any of it. */
export const publishUnit = async (dir: string, staging: string, unit: CatalogUnit): Promise<void> => {
  await writeFile(path.join(staging, 'manifest.json'), `${JSON.stringify(unit, undefined, 2)}\n`)
  await syncTree(staging)
  const target = path.join(dir, unitFolder(unit.key))
  try {
    await rename(staging, target)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // Another process published the same content first: theirs is as good.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(staging, {recursive: true, force: true})
  }
  await syncPath(dir)
  for (const key of unit.replaces) await rm(path.join(dir, unitFolder(key)), {recursive: true, force: true})
}

const syncTree = async (folder: string): Promise<void> => {
  const entries = await readdir(folder, {withFileTypes: true})
  await Promise.all(
    entries.map(entry => {
      const child = path.join(folder, entry.name)
      return entry.isDirectory() ? syncTree(child) : syncPath(child)
    }),
  )
  await syncPath(folder)
}

const syncPath = async (file: string): Promise<void> => {
  const handle = await open(file)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
