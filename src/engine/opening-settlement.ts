import {EventKind, type TapeChunk} from '../data/tape.ts'
import {currentOrNextSession} from '../domain/calendar.ts'
import {US_PER_HOUR} from '../domain/units.ts'
import type {Contract} from './option-contracts.ts'

// Rows run below a chunk's count, so columns are read under `!`.

/** How long after the opening a print or a quote still says where the underlying opened. A bar says it itself. */
const OPENING_US = US_PER_HOUR

/** Where the settlement value came from. */
export type OpeningSource = 'bar' | 'trade' | 'quote'

/**
 * Contracts that are settled on the opening of their last day. The exchanges' special opening quotation is made of the
 * opening prices of an index's members, which no tape of the index holds; its own opening stands for it here, as an
 * approximation: the open of its first bar, else its first print, else the mid of its first quote of the session.
 */
export class OpeningSettlement {
  /** When the session ends, and with it the wait; Infinity while nothing waits. */
  dueUs = Infinity
  #waiting: {readonly contract: Contract; readonly untilUs: number}[] = []
  readonly #settle: (contract: Contract, ticks: number, source: OpeningSource, atUs: number) => void
  readonly #giveUp: (contract: Contract, atUs: number) => void

  constructor(
    settle: (contract: Contract, ticks: number, source: OpeningSource, atUs: number) => void,
    giveUp: (contract: Contract, atUs: number) => void,
  ) {
    this.#settle = settle
    this.#giveUp = giveUp
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }
  await(contract: Contract): void {
    this.#waiting.push({contract, untilUs: currentOrNextSession(contract.expiresUs).closeUs})
    this.#reschedule()
  }

  onRow(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const atUs = chunk.tsUs[row]!
    for (const {contract} of this.#waiting) {
      if (contract.underlying !== i) continue
      const found = openingOf(chunk, row, contract.expiresUs + 1)
      if (found === undefined) continue
      this.#waiting = this.#waiting.filter(one => one.contract !== contract)
      this.#settle(contract, found.ticks, found.source, atUs)
    }
    this.#reschedule()
  }

  /** Those whose wait has ended; all of them when the tape is over. */
  onDue(nowUs: number, isOver = false): void {
    const over = this.#waiting.filter(({untilUs}) => isOver || untilUs <= nowUs)
    this.#waiting = this.#waiting.filter(one => !over.includes(one))
    this.#reschedule()
    for (const {contract} of over) this.#giveUp(contract, nowUs)
  }

  #reschedule(): void {
    this.dueUs = this.#waiting.reduce((least, {untilUs}) => Math.min(least, untilUs), Infinity)
  }
}

const openingOf = (
  chunk: TapeChunk,
  row: number,
  openUs: number,
): {readonly ticks: number; readonly source: OpeningSource} | undefined => {
  const atUs = chunk.tsUs[row]!
  const [first, second] = [chunk.v0[row]!, chunk.v1[row]!]
  const isEarly = atUs >= openUs && atUs <= openUs + OPENING_US
  switch (chunk.kind[row]) {
    case EventKind.bar:
      // It spans the opening or begins soon after it, and ends after it.
      return atUs > openUs && atUs - chunk.v5[row]! <= openUs + OPENING_US && first > 0
        ? {ticks: first, source: 'bar'}
        : undefined
    case EventKind.trade:
      return isEarly && first > 0 ? {ticks: first, source: 'trade'} : undefined
    case EventKind.quote:
      return isEarly && chunk.v2[row]! > 0 && chunk.v3[row]! > 0
        ? {ticks: (first + second) / 2, source: 'quote'}
        : undefined
    default:
      return undefined
  }
}
