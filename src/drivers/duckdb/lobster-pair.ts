import {createHash} from 'node:crypto'
import {createReadStream, createWriteStream, existsSync} from 'node:fs'
import path from 'node:path'
import {createInterface} from 'node:readline'
import {pipeline} from 'node:stream/promises'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {type SourceFile, type SourceRef, unpackSource} from './source-file.ts'

/**
 * LOBSTER gives a day as two files without header, line by line of one event: `TICKER_DATE_START_END_message_LEVEL.csv`
 * (time, type, order, size, price, direction) and `…_orderbook_LEVEL.csv` (ask, size, bid, size of each level right after it).
 * Format: lobsterdata.com/info/DataStructure.php.
 */
const PART = /_(message|orderbook)(_\d+)?\.csv(\.gz)?$/i

const nameOf = ({file, entry}: SourceRef): string => entry?.name ?? file
const toggled = (name: string): string => (/\.gz$/i.test(name) ? name.slice(0, -3) : `${name}.gz`)
const swapped = (name: string, to: 'message' | 'orderbook'): string =>
  name.replace(
    PART,
    (_, __, level: string | undefined, gz: string | undefined) => `_${to}${level ?? ''}.csv${gz ?? ''}`,
  )

export const isLobsterMessage = (ref: SourceRef): boolean => PART.exec(nameOf(ref))?.[1]?.toLowerCase() === 'message'

/**
 * The files to read one by one: of a pair its messages. Throws UserError for an order book whose messages are in no file
 * beside it.
 */
export const withoutBooks = (refs: readonly SourceRef[]): SourceRef[] => {
  const found = new Map<string, SourceRef>()
  for (const ref of refs) {
    const isBook = PART.exec(nameOf(ref))?.[1]?.toLowerCase() === 'orderbook'
    const taken = isBook ? partnerOf(ref, 'message', refs) : ref
    found.set(`${taken.file}\0${taken.entry?.name ?? ''}`, taken)
  }
  return [...found.values()]
}

const partnerOf = (ref: SourceRef, to: 'message' | 'orderbook', refs: readonly SourceRef[]): SourceRef => {
  const wanted = swapped(nameOf(ref), to)
  for (const name of [wanted, toggled(wanted)]) {
    const listed = refs.find(other => nameOf(other) === name && (ref.entry === undefined || other.file === ref.file))
    if (listed !== undefined) return listed
    if (ref.entry === undefined && existsSync(name)) return {file: name}
  }
  throw new UserError('MISSING_PAIR', `${path.basename(nameOf(ref))} comes without ${path.basename(wanted)}`, {
    exitCode: ExitCode.invalidData,
    hints: ['LOBSTER gives a day as two files: put both into one folder'],
  })
}

/** Both files of a day side by side in one plain file, checked to be of one length unless the rest may be left out. */
export const unpackLobster = async (
  ref: SourceRef,
  refs: readonly SourceRef[],
  scratch: string,
  isCut: boolean,
): Promise<{readonly source: SourceFile; readonly unpaired: number}> => {
  const message = await unpackSource(ref, scratch)
  const book = await unpackSource(partnerOf(ref, 'orderbook', refs), scratch)
  const plainPath = path.join(scratch, `${message.name}.pair`)
  const counts = {messages: 0, books: 0, fields: 0}
  await pipeline(sideBySide(message.plainPath, book.plainPath, counts), createWriteStream(plainPath))
  const unpaired = Math.abs(counts.messages - counts.books)
  if (unpaired > 0 && !isCut && !message.truncated && !book.truncated) {
    throw new UserError(
      'UNEQUAL_PAIR',
      `${message.name} has ${counts.messages} lines, ${book.name} ${counts.books}: line by line they are one event`,
      {
        exitCode: ExitCode.invalidData,
        hints: ['fetch both files again', 'or take the lines that both have with --skip-invalid'],
      },
    )
  }
  const levels = Math.floor(counts.fields / 4)
  const level = (i: number) => [`ask_price_${i}`, `ask_size_${i}`, `bid_price_${i}`, `bid_size_${i}`]
  const both = (a: string, b: string) => createHash('sha256').update(`${a}\n${b}`).digest('hex')
  return {
    unpaired,
    source: {
      ...message,
      plainPath,
      bytes: message.bytes + book.bytes,
      sha256: both(message.sha256, book.sha256),
      contentSha256: both(message.contentSha256, book.contentSha256),
      truncated: message.truncated || book.truncated,
      header: [
        ...['time_s', 'type', 'order_id', 'size', 'price', 'direction'],
        ...Array.from({length: levels}, (_, i) => level(i + 1)).flat(),
      ],
    },
  }
}

const linesOf = (file: string) =>
  createInterface({input: createReadStream(file, {highWaterMark: 1 << 18}), crlfDelay: Number.POSITIVE_INFINITY})[
    Symbol.asyncIterator
  ]()

async function* sideBySide(
  messages: string,
  books: string,
  counts: {messages: number; books: number; fields: number},
): AsyncGenerator<string> {
  const left = linesOf(messages)
  const right = linesOf(books)
  let text = ''
  for (;;) {
    const [a, b] = [await left.next(), await right.next()]
    const hasMessage = a.done !== true && a.value !== ''
    const hasBook = b.done !== true && b.value !== ''
    if (hasMessage) counts.messages++
    if (hasBook) counts.books++
    if (hasMessage && hasBook) {
      if (counts.fields === 0) counts.fields = b.value.split(',').length
      text += `${a.value},${b.value}\n`
      if (text.length > 1 << 18) {
        yield text
        text = ''
      }
    } else if (a.done === true && b.done === true) break
  }
  if (text !== '') yield text
}
