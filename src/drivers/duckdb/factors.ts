import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {parseDay} from '../../domain/calendar.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {Database, quoted} from './database.ts'
import type {AdjustmentFactor} from './layouts/layout.ts'
import {unpackSource} from './source-file.ts'

/** Reads a factor file (`symbol, date, price_factor, split_factor`), plain or gzip. */
export const readFactors = async (file: string): Promise<ReadonlyMap<string, readonly AdjustmentFactor[]>> => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'gpi-factors-'))
  try {
    const {plainPath} = await unpackSource(file, scratch)
    await using database = await Database.open({threads: 1})
    const rows = await database.rows<{symbol: string; day: string; price: number; split: number}>(
      `SELECT symbol, date::DATE::VARCHAR AS day, price_factor::DOUBLE AS price, split_factor::DOUBLE AS split
       FROM read_csv(${quoted(plainPath)}, header = true) ORDER BY symbol, date`,
    )
    const factors = new Map<string, AdjustmentFactor[]>()
    for (const {symbol, day, price, split} of rows) {
      const known = factors.get(symbol) ?? []
      known.push({day: parseDay(day), priceFactor: price, splitFactor: split})
      factors.set(symbol, known)
    }
    return factors
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (error instanceof UserError) throw error
    if (code === 'ENOENT')
      throw new UserError('MISSING_FILE', `--adjust ${file}: no such file`, {hints: ['check the path']})
    throw new UserError('BAD_FACTORS', `--adjust ${file} is no factor file`, {
      cause: error,
      exitCode: ExitCode.invalidData,
      hints: ['its columns must be symbol, date, price_factor and split_factor'],
    })
  } finally {
    await rm(scratch, {recursive: true, force: true})
  }
}
