import {createHash} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import type {JournalEntry} from '../broker/journal.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {MeasuredDelays, RecordedLatencies} from '../exchange/latency.ts'

// Samples are kept in pairs of columns and sorted by index, so they are read under `!`.

/** Latencies of a file: what a run's results rest on. */
export interface LatencyRecording {
  readonly recorded: RecordedLatencies
  /** SHA-256 of the file. */
  readonly hash: string
  readonly summary: LatencySummary
}

export interface LatencySummary {
  readonly file: string
  readonly orders: number
  readonly reports: number
  readonly orderP50Us: number
  readonly orderP99Us: number
  readonly reportP50Us: number
  readonly reportP99Us: number
  /** Absent where the file does not say how late market data came. */
  readonly feedP50Us?: number
  readonly feedP99Us?: number
}

const SQLITE = 'SQLite format 3\0'

/** What a file may hold, by the columns of its header or the keys of its records. Extra ones are ignored. */
const LAYOUTS = [
  {columns: ['orderUs', 'reportUs'], about: 'delays in µs, with tsUs and feedUs if known'},
  {
    columns: ['sentUs', 'venueUs', 'heardUs'],
    about: 'times of one order in µs, with eventUs and seenUs of market data',
  },
  {columns: ['req_ts', 'exch_ts', 'resp_ts'], about: 'hftbacktest’s, in ns'},
  {columns: ['exch_ts', 'local_ts'], about: 'market data of hftbacktest, in ns: orders and reports take as long'},
] as const

/** Of a hundred journal samples this many may say that an answer came before its question. */
const MAX_SKEWED_SHARE = 0.01

/**
 * Reads measured latencies: CSV with a header, NDJSON, or the journal of a trading node (each order's way from its intent
 * to the venue's stamp, each report's from that stamp to its entry). Throws UserError LATENCY_FILE that names the line.
 */
export const readRecordedLatency = async (file: string): Promise<LatencyRecording> => {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw fault(file, `cannot be read: ${error.code ?? error.message}`)
  })
  const isJournal = bytes.subarray(0, SQLITE.length).toString('latin1') === SQLITE
  const recorded = isJournal ? await ofJournal(file) : ofRows(file, rowsOf(file, bytes.toString('utf8')))
  const {order, report, feed} = recorded
  return {
    recorded,
    hash: isJournal ? hashOf(recorded) : createHash('sha256').update(bytes).digest('hex'),
    summary: {
      file,
      orders: order.delayUs.length,
      reports: report.delayUs.length,
      ...{orderP50Us: quantile(order, 0.5), orderP99Us: quantile(order, 0.99)},
      ...{reportP50Us: quantile(report, 0.5), reportP99Us: quantile(report, 0.99)},
      ...(feed === undefined ? {} : {feedP50Us: quantile(feed, 0.5), feedP99Us: quantile(feed, 0.99)}),
    },
  }
}

const fault = (file: string, what: string): UserError =>
  new UserError('LATENCY_FILE', `${file}: ${what}`, {
    exitCode: ExitCode.invalidData,
    hints: [
      'a recording is CSV with a header, NDJSON, or the journal of gpi trade',
      ...LAYOUTS.map(({columns, about}) => `${columns.join(',')}: ${about}`),
    ],
  })

interface Row {
  readonly line: number
  readonly value: (name: string) => number
  readonly has: (name: string) => boolean
}

const rowsOf = (file: string, text: string): Row[] => {
  const lines = text.split(/\r?\n/).flatMap((content, k) => (content.trim() === '' ? [] : [{content, line: k + 1}]))
  const [head] = lines
  if (head === undefined) throw fault(file, 'is empty')
  const row = (line: number, fields: ReadonlyMap<string, unknown>): Row => ({
    line,
    has: name => fields.has(name),
    value: name => {
      const raw = fields.get(name)
      const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
      if (typeof value !== 'number' || !Number.isFinite(value))
        throw fault(file, `line ${line}: ${name} must be a number, was ${JSON.stringify(raw) ?? 'missing'}`)
      return value
    },
  })
  if (head.content.startsWith('{'))
    return lines.map(({content, line}) => {
      try {
        return row(line, new Map(Object.entries(JSON.parse(content) as object)))
      } catch (error) {
        if (error instanceof UserError) throw error
        throw fault(file, `line ${line} is not JSON`)
      }
    })
  const names = head.content.split(',').map(name => name.trim())
  return lines.slice(1).map(({content, line}) => {
    const cells = content.split(',')
    if (cells.length !== names.length)
      throw fault(file, `line ${line} has ${cells.length} values for ${names.length} columns`)
    return row(line, new Map(names.map((name, k) => [name, cells[k]])))
  })
}

/** One way, as it is gathered. */
class Samples {
  readonly #name: string
  readonly #file: string
  readonly #tsUs: number[] = []
  readonly #delayUs: number[] = []

  constructor(file: string, name: string) {
    this.#file = file
    this.#name = name
  }
  /** `atUs` NaN: unknown. */
  add(atUs: number, delayUs: number, line: number): void {
    if (delayUs < 0) throw fault(this.#file, `line ${line}: ${this.#name} latency is negative: ${delayUs} µs`)
    this.#tsUs.push(atUs)
    this.#delayUs.push(delayUs)
  }
  get count(): number {
    return this.#delayUs.length
  }
  delays(): MeasuredDelays {
    const hasTimes = this.count > 1 && this.#tsUs.every(at => !Number.isNaN(at))
    if (!hasTimes) return {delayUs: Float64Array.from(this.#delayUs)}
    const order = Array.from(this.#tsUs.keys()).sort((a, b) => this.#tsUs[a]! - this.#tsUs[b]! || a - b)
    // Of several at one time the last counts: a line has one height at a time.
    const kept = order.filter((k, at) => this.#tsUs[k] !== this.#tsUs[order[at + 1] ?? -1])
    return {
      tsUs: Float64Array.from(kept, k => this.#tsUs[k]!),
      delayUs: Float64Array.from(kept, k => this.#delayUs[k]!),
    }
  }
}

const ofRows = (file: string, rows: readonly Row[]): RecordedLatencies => {
  const [first] = rows
  if (first === undefined) throw fault(file, 'has a header and no rows')
  const layout = LAYOUTS.findIndex(({columns}) => columns.every(first.has))
  if (layout < 0) throw fault(file, 'has none of the column sets that are known')
  const [order, report, feed] = ['order', 'report', 'feed'].map(name => new Samples(file, name)) as [
    Samples,
    Samples,
    Samples,
  ]
  for (const {line, value, has} of rows) {
    if (layout === 0) {
      const atUs = has('tsUs') ? value('tsUs') : Number.NaN
      order.add(atUs, value('orderUs'), line)
      report.add(Number.isNaN(atUs) ? atUs : atUs + value('orderUs'), value('reportUs'), line)
      if (has('feedUs')) feed.add(atUs, value('feedUs'), line)
    } else if (layout === 3) {
      const [venueUs, seenUs] = [value('exch_ts') / 1000, value('local_ts') / 1000]
      for (const way of [order, report, feed]) way.add(venueUs, seenUs - venueUs, line)
    } else {
      const names = LAYOUTS[layout as 1 | 2].columns
      const [sent, venue, heard] = names.map(name => value(name) / (layout === 2 ? 1000 : 1)) as [
        number,
        number,
        number,
      ]
      order.add(sent, venue - sent, line)
      report.add(venue, heard - venue, line)
      if (has('eventUs') && has('seenUs')) feed.add(value('eventUs'), value('seenUs') - value('eventUs'), line)
    }
  }
  return {order: order.delays(), report: report.delays(), ...(feed.count === 0 ? {} : {feed: feed.delays()})}
}

const ofJournal = async (file: string): Promise<RecordedLatencies> => {
  const {openSqliteJournal} = await import('../drivers/sqlite/journal.ts')
  using journal = openSqliteJournal(file, {readOnly: true})
  return latenciesOfJournal(journal.entries(), file)
}

/** Both ways of every order of a journal; throws UserError LATENCY_FILE where it has none, or its clocks disagree. */
export const latenciesOfJournal = (
  entries: Iterable<{readonly seq: number; readonly entry: JournalEntry}>,
  file: string,
): RecordedLatencies => {
  const sentUs = new Map<string, number>()
  const [order, report] = [new Samples(file, 'order'), new Samples(file, 'report')]
  let [skewed, all] = [0, 0]
  const add = (samples: Samples, atUs: number, delayUs: number, seq: number): void => {
    all++
    if (delayUs < 0) skewed++
    else samples.add(atUs, delayUs, seq)
  }
  for (const {seq, entry} of entries) {
    if (entry.kind === 'intent') sentUs.set(entry.intent.clientOrderId, entry.tsUs)
    if (entry.kind !== 'report') continue
    const {kind, tsUs} = entry.report
    if (kind === 'fill' && entry.report.fill.reason !== undefined) continue
    add(report, tsUs, entry.tsUs - tsUs, seq)
    if (kind !== 'accepted') continue
    const sent = sentUs.get(entry.report.clientOrderId)
    if (sent !== undefined) add(order, sent, tsUs - sent, seq)
  }
  if (order.count === 0) throw fault(file, 'is a journal in which no order was accepted')
  if (skewed > MAX_SKEWED_SHARE * all)
    throw fault(
      file,
      `the clocks of node and venue disagree: ${skewed} of ${all} answers are stamped before their questions`,
    )
  return {order: order.delays(), report: report.delays()}
}

/** A journal's file changes when it is read; what was measured does not. */
const hashOf = ({order, report}: RecordedLatencies): string => {
  const hash = createHash('sha256')
  for (const {delayUs, tsUs} of [order, report]) {
    hash.update(new Uint8Array(delayUs.buffer))
    if (tsUs !== undefined) hash.update(new Uint8Array(tsUs.buffer))
  }
  return hash.digest('hex')
}

const quantile = ({delayUs}: MeasuredDelays, share: number): number => {
  const sorted = delayUs.toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}
