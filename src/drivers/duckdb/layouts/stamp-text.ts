import {ExitCode, UserError} from '../../../domain/errors.ts'
import {identifier} from '../database.ts'
import {type LayoutContext, RAW} from './layout.ts'

/** Dates that people write: `02/28/2023`, `28.2.2023`, `Feb 28, 2023`, each with or without a time of day. */
const NUMBERED = /^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(?=\D|$)/
const WORDED = /^(\d{1,2}[ -])?[A-Za-z]{3,9}\.?[ -]\d{1,4}/
/** `20230228` */
const DIGITS = /^(19|20)\d{2}(0[1-9]|1[0-2])[0-3]\d(?=\D|$)/
const CLOCK = /\d{1,2}:\d{2}/

export const isWrittenDate = (value: string): boolean =>
  NUMBERED.test(value) || DIGITS.test(value) || WORDED.test(value)
export const isClockText = (value: string): boolean => /[AP]M$/i.test(value) || /^\d{5,6}$/.test(value)

export interface WrittenTime {
  /** TIMESTAMP expression; NULL where it is not such a date. */
  readonly sql: string
  readonly hasClock: boolean
}

/** The TIMESTAMP that a text column means. Whether day or month comes first is told by the whole column. */
export const writtenTime = async (
  context: Pick<LayoutContext, 'database' | 'fileName' | 'note'>,
  column: string,
  sample: string,
): Promise<WrittenTime> => {
  const name = identifier(column)
  const hasClock = CLOCK.test(sample)
  const day = hasClock ? `regexp_replace(${name}, '[ T]+[0-9]{1,2}:.*$', '')` : name
  const date = await dateSql(context, column, `trim(${day})`, sample)
  if (!hasClock) return {sql: date, hasClock}
  return {sql: `(${date}::DATE + ${clockSql(`regexp_extract(${name}, '[0-9]{1,2}:.*$')`)})`, hasClock}
}

const WORDED_FORMATS = ['%b %d, %Y', '%B %d, %Y', '%d %b %Y', '%d-%b-%Y', '%d %B %Y', '%b %d %Y', '%d-%b-%y']

const dateSql = async (
  context: Pick<LayoutContext, 'database' | 'fileName' | 'note'>,
  column: string,
  text: string,
  sample: string,
): Promise<string> => {
  if (NUMBERED.test(sample)) return numberedDate(context, column)
  if (DIGITS.test(sample)) return `try_strptime(${text}, '%Y%m%d')`
  return `coalesce(${WORDED_FORMATS.map(format => `try_strptime(${text}, '${format}')`)})`
}

/** The TIME that a text means: `9:30 AM`, `093000`, `9:30:00.5`. */
export const clockSql = (text: string): string => {
  const formats = ['%I:%M:%S %p', '%I:%M %p', '%I:%M:%S%p', '%I:%M%p', '%H:%M:%S.%f', '%H:%M:%S', '%H:%M']
  const parsed = formats.map(format => `try_strptime(upper(trim(${text})), '${format}')`)
  const digits = `CASE WHEN regexp_full_match(${text}, '[0-9]{5,6}') THEN try_strptime(lpad(${text}, 6, '0'), '%H%M%S') END`
  return `coalesce(${parsed}, ${digits})::TIME`
}

const numberedDate = async (
  {database, fileName, note}: Pick<LayoutContext, 'database' | 'fileName' | 'note'>,
  column: string,
): Promise<string> => {
  const name = identifier(column)
  const part = (nth: number) => `regexp_extract(${name}, '^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})', ${nth})`
  const {first, second, dots} = await database.one<{first: number | null; second: number | null; dots: number}>(
    `SELECT max(try_cast(${part(1)} AS INTEGER)) AS first, max(try_cast(${part(2)} AS INTEGER)) AS second,
       count_if(regexp_matches(${name}, '^[0-9]+[.]')) AS dots FROM ${RAW}`,
  )
  const mayBeDayFirst = (second ?? 0) <= 12
  const mayBeMonthFirst = (first ?? 0) <= 12
  if (!mayBeDayFirst && !mayBeMonthFirst) {
    throw new UserError('MIXED_DATES', `${fileName}: ${column} holds days before months and months before days`, {
      exitCode: ExitCode.invalidData,
      hints: ['write dates as YYYY-MM-DD'],
    })
  }
  const isMonthFirst = mayBeMonthFirst && (!mayBeDayFirst || dots === 0)
  if (mayBeDayFirst && mayBeMonthFirst)
    note(`${fileName}: ${column} is read as ${isMonthFirst ? 'month/day/year' : 'day.month.year'}; no date in it tells`)
  return `try_strptime(concat(${part(3)}, '-', ${part(isMonthFirst ? 1 : 2)}, '-', ${part(isMonthFirst ? 2 : 1)}), '%Y-%m-%d')`
}

/** Turns columns of the raw table that hold written dates into DATE; other columns are as they were typed. */
export const writtenToDates = async (context: LayoutContext, columns: readonly string[]): Promise<void> => {
  for (const column of columns) {
    const sample = context.sample[context.header.indexOf(column)] ?? ''
    if (!isWrittenDate(sample)) continue
    const {sql} = await writtenTime(context, column, sample)
    await context.database.run(`ALTER TABLE ${RAW} ALTER ${identifier(column)} TYPE DATE USING (${sql})::DATE`)
  }
}

/** DATE, or VARCHAR where the dates need `writtenToDates`. */
export const dateType = ({header, sample}: Pick<LayoutContext, 'header' | 'sample'>, column: string): string =>
  isWrittenDate(sample[header.indexOf(column)] ?? '') ? 'VARCHAR' : 'DATE'

/** Numbers with a currency sign, thousands or a unit: `$1,234.50`, `12.3M`. */
export const isWrittenNumber = (value: string): boolean =>
  /^[$€£]?-?\d{1,3}(,\d{3})*(\.\d+)?[KMB]?$/.test(value) && !/^-?[\d.]+$/.test(value)

/** The DOUBLE that such a text means; not a number where it means none. */
export const writtenNumber = (name: string): string => {
  const bare = `regexp_replace(${name}, '[$€£,KMB]', '', 'g')`
  const unit = `CASE right(${name}, 1) WHEN 'K' THEN 1e3 WHEN 'M' THEN 1e6 WHEN 'B' THEN 1e9 ELSE 1 END`
  return `CASE WHEN ${name} IS NOT NULL AND ${name} != '-' THEN coalesce(try_cast(${bare} AS DOUBLE) * ${unit}, 'nan'::DOUBLE) END`
}
