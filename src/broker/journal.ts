import type {ExecutionReport, OrderIntent} from '../domain/order.ts'
import type {TsUs} from '../domain/units.ts'

/**
 * The append-only truth of a run. An order's `intent` entry is durable before the order is sent; replaying the entries
 * rebuilds orders, ledger and latch exactly.
 */
export type JournalEntry =
  | {
      readonly kind: 'run'
      readonly tsUs: TsUs
      readonly runId: string
      readonly seed: number
      readonly configHash: string
    }
  | {readonly kind: 'intent'; readonly tsUs: TsUs; readonly symbol: string; readonly intent: OrderIntent}
  | {
      readonly kind: 'verdict'
      readonly tsUs: TsUs
      readonly clientOrderId: string
      readonly verdict: 'accept' | 'resize' | 'reject'
      readonly rule?: string
      readonly detail?: string
    }
  | {readonly kind: 'report'; readonly tsUs: TsUs; readonly report: ExecutionReport}
  | {readonly kind: 'cancel'; readonly tsUs: TsUs; readonly clientOrderId: string}
  /** Two strategies traded with each other inside the account. */
  | {
      readonly kind: 'cross'
      readonly tsUs: TsUs
      readonly symbol: string
      readonly instrument: number
      readonly lots: number
      readonly priceTicks: number
      readonly buyer: string
      readonly seller: string
    }
  /**
   * The account changes without an order. `values`: split: new shares, old shares, micros of one new lot (for fractions
   * paid out); dividend: ticks a share, payUs (0: at once); payment: micros received; borrow: micros paid.
   */
  | {
      readonly kind: 'booking'
      readonly tsUs: TsUs
      readonly symbol: string
      readonly instrument: number
      readonly booking: 'split' | 'dividend' | 'payment' | 'borrow'
      readonly values: readonly number[]
    }
  | {readonly kind: 'latch'; readonly tsUs: TsUs; readonly latched: boolean; readonly reason: string}
  | {readonly kind: 'note'; readonly tsUs: TsUs; readonly text: string}

export interface Journal extends Disposable {
  /** Durable when it returns, for a store that outlives the process. Returns the entry's sequence number. */
  readonly append: (entry: JournalEntry) => number
  readonly entries: () => Iterable<{readonly seq: number; readonly entry: JournalEntry}>
  /** Running SHA-256 (hex) over the binary encoding of every entry so far (`journal-hash.ts`), the same for every store. */
  readonly hash: () => string
}
