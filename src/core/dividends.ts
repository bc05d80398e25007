import {z} from 'zod'
import {Rejects, readNdjson} from '../data/ndjson.ts'
import {Dividend as TapeDividend} from '../data/records.ts'
import {parseDay, sessionOpenUs} from '../domain/calendar.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {Dividend} from '../options/lattice.ts'
import {inputName, openInput} from './open-input.ts'

/** `dividend` record: cash a share that who holds the underlying before `exDate` is paid; or the tape's, with its time. */
const DatedDividend = z.looseObject({
  kind: z.literal('dividend'),
  symbol: z.string().min(1),
  exDate: z.iso.date(),
  amount: z.number().positive(),
})
const DividendRecord = z.union([DatedDividend, TapeDividend])

interface ExDividend {
  /** The opening on which the price drops. */
  readonly exUs: number
  readonly amount: number
}

const YEAR_US = 365 * 86_400e6

/** Dividends of several underlyings. */
export interface DividendSchedule {
  /** Those of a symbol after a time, seen from it. */
  readonly after: (symbol: string, tsUs: number) => readonly Dividend[]
}

export const noDividends: DividendSchedule = {after: () => []}

/**
 * Reads dividend records (NDJSON), or a CSV of symbol, exDate and amount by its name. Throws UserError naming the first
 * record that is none.
 */
export const readDividends = async (file: string): Promise<DividendSchedule> => {
  const bySymbol = new Map<string, ExDividend[]>()
  const rejects = new Rejects()
  const input = /\.csv(\.gz)?$/.test(file) ? csvRecords(file) : openInput(file)
  for await (const {record} of readNdjson(input, rejects, DividendRecord)) {
    const list = bySymbol.get(record.symbol) ?? []
    bySymbol.set(record.symbol, list)
    // Each schema has passed only its own fields; the tape's are asked for first.
    const {tsUs, cashPerShare} = record as Partial<z.output<typeof TapeDividend>>
    if (tsUs !== undefined && cashPerShare !== undefined) list.push({exUs: tsUs, amount: cashPerShare})
    else {
      const {exDate, amount} = record as z.output<typeof DatedDividend>
      list.push({exUs: sessionOpenUs(parseDay(exDate)), amount})
    }
  }
  rejects.throwIfAny(inputName(file))
  return {
    after: (symbol, tsUs) =>
      (bySymbol.get(symbol) ?? [])
        .filter(({exUs}) => exUs > tsUs)
        .map(({exUs, amount}) => ({timeYears: (exUs - tsUs) / YEAR_US, amount})),
  }
}

/** The lines of a CSV with a header as NDJSON. */
async function* csvRecords(file: string): AsyncGenerator<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const part of openInput(file)) text += decoder.decode(part, {stream: true})
  const [header = '', ...lines] = text.split(/\r?\n/)
  const names = header.split(',').map(name => name.trim())
  for (const name of ['symbol', 'exDate', 'amount']) {
    if (names.includes(name)) continue
    throw new UserError('WRONG_COLUMNS', `${file}: no column ${name} among ${names.join(', ')}`, {
      exitCode: ExitCode.invalidData,
      hints: ['a dividend file has the columns symbol, exDate (YYYY-MM-DD) and amount'],
    })
  }
  for (const line of lines) {
    if (line.trim() === '') continue
    const values = line.split(',').map(value => value.trim())
    const row = Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
    yield `${JSON.stringify({kind: 'dividend', ...row, amount: Number(row['amount'])})}\n`
  }
}
