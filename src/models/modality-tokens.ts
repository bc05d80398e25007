import type {Modality} from '../features/features.ts'
import {NEIGHBOUR_NAMES, NEIGHBOURS} from '../features/pattern-features.ts'
import type {Tensor} from '../nn/graph.ts'
import {normalInit} from '../nn/initialisers.ts'
import {linear, positions} from '../nn/layers/basic.ts'
import * as ops from '../nn/ops.ts'
import type {Scope} from '../nn/scope.ts'

/** Modalities that speak at every row of a window; the others speak once, at its end. */
const EVERY_ROW: ReadonlySet<string> = new Set(['technical', 'microstructure'])

export interface ModalityTokens {
  /** [batch, tokens, width]. */
  readonly tokens: Tensor
  /** [batch, tokens]: 1 where the token is there, 0 where its modality is absent and it must be hidden. */
  readonly present: Tensor
  /** Token of the last row of the modality that is always there. */
  readonly last: number
}

/**
 * Windows x [batch, time, columns] as one sequence of tokens: one a row for bars and for microstructure, one for the
 * option chain, one for each retrieved pattern. Each is a projection of its own columns plus a learned vector of its
 * modality (and of its position). What an absent modality's columns hold never reaches a token that is shown.
 */
export const modalityTokens = (
  scope: Scope,
  x: Tensor,
  width: number,
  modalities: readonly Modality[],
): ModalityTokens => {
  const [batch, time] = x.shape as readonly [number, number, number]
  const ones = (count: number): Tensor =>
    ops.add(ops.mul(ops.reshape(ops.slice(flat(x), 1, 0, count), [batch, count]), 0), 1)
  const parts = modalities.map(({name, from, to, flag}) => {
    const inner = scope.child(name)
    const isRows = EVERY_ROW.has(name)
    const source = isRows ? x : ops.slice(x, 1, time - 1, time)
    const columns = ops.slice(source, 2, from, to)
    const rows = name === 'patterns' ? ops.reshape(columns, [batch, NEIGHBOURS, NEIGHBOUR_NAMES.length]) : columns
    const type = inner.parameter('type', [1, 1, width], normalInit(0.02), false)
    const projected = ops.add(linear(inner, 'token', rows, width), type)
    const tokens = rows.shape[1] === 1 ? projected : positions(inner, 'position', projected)
    const count = rows.shape[1] as number
    const flagged = flag === undefined ? ones(count) : ops.reshape(ops.slice(source, 2, flag, flag + 1), [batch, -1])
    const present = flagged.shape[1] === count ? flagged : ops.concat(Array(count).fill(flagged) as Tensor[], 1)
    return {tokens, present}
  })
  return {
    tokens: ops.concat(
      parts.map(part => part.tokens),
      1,
    ),
    present: ops.concat(
      parts.map(part => part.present),
      1,
    ),
    last: time - 1,
  }
}

const flat = (x: Tensor): Tensor => ops.reshape(x, [x.shape[0] as number, -1])
