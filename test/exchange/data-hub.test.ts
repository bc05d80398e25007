import {expect, test} from 'vitest'
import {Depth, EventKind, emptyChunk, Notice} from '../../src/data/tape.ts'
import {DataHub} from '../../src/exchange/server/data-hub.ts'
import type {DataStreamSession} from '../../src/exchange/server/data-stream.ts'
import type {MarketMessage} from '../../src/exchange/server/market-messages.ts'
import {exchangeRig} from './exchange-rig.ts'

/** A hub with one reader of everything, and a way to say what the market says. */
const hubRig = (symbol = 'AAPL') => {
  const rig = exchangeRig({symbols: [symbol]})
  const hub = new DataHub(rig.exchange)
  const told: Record<string, unknown>[] = []
  const session = {
    wants: () => true,
    push: (message: MarketMessage) => told.push(JSON.parse(message.json())),
    flush: () => {},
  } as unknown as DataStreamSession
  hub.add(session)
  const row = (kind: number, flags: number, values: readonly number[]) => {
    const chunk = emptyChunk(1)
    chunk.count = 1
    chunk.tsUs[0] = rig.exchange.nowUs
    chunk.kind[0] = kind
    chunk.flags[0] = flags
    ;[chunk.v0, chunk.v1, chunk.v2, chunk.v3].forEach((column, k) => {
      column[0] = values[k] ?? 0
    })
    return chunk
  }
  return {
    told,
    notice: (flags: number, values: readonly number[]): void => hub.onRow(row(EventKind.notice, flags, values), 0),
    quote: (...values: readonly number[]): void => hub.onRow(row(EventKind.quote, 0, values), 0),
    depth: (flags: number, ticks: number, lots: number): void =>
      hub.onDepth(row(EventKind.depth, flags, [ticks, lots]), 0),
    subscribe: (): void => hub.sendBooks(session, [0]),
  }
}

test('a limit band is told with both of its prices', () => {
  const {told, notice} = hubRig()
  notice(Notice.band, [0, 0, 1_425_000, 1_575_000])
  expect(told).toMatchObject([{T: 'l', S: 'AAPL', u: 157.5, d: 142.5, i: 'B', z: 'C'}])
})

test('a halt and its end are told once each, whoever says so', () => {
  const {told, notice} = hubRig()
  notice(Notice.status, [1])
  notice(Notice.status, [1])
  notice(Notice.status, [0])
  expect(told.map(({T, sc}) => `${T} ${sc}`)).toEqual(['s H', 's T'])
})

test('depth of a coin is one book a message: whole after a clear, then what changed, whole again to who comes later', () => {
  const {told, depth, quote, subscribe} = hubRig('BTC/USD')
  depth(Depth.clear, 999_900, 50_000_000)
  depth(0, 999_800, 0)
  expect(told).toEqual([])
  depth(Depth.ask | Depth.last, 1_000_100, 100_000_000)
  depth(0, 999_700, 25_000_000)
  depth(Depth.ask | Depth.last, 1_000_100, 0)
  expect(told).toMatchObject([
    {T: 'o', S: 'BTC/USD', r: true, b: [{p: 99.99, s: 0.5}], a: [{p: 100.01, s: 1}]},
    {T: 'o', b: [{p: 99.97, s: 0.25}], a: [{p: 100.01, s: 0}]},
  ])
  expect(told[1]).not.toHaveProperty('r')
  // The touch is part of the book already: the quote says nothing more about it.
  quote(999_900, 1_000_200, 1, 1)
  expect(told.slice(2).map(({T}) => T)).toEqual(['q'])
  subscribe()
  expect(told.at(-1)).toMatchObject({T: 'o', r: true, b: [{p: 99.99}, {p: 99.97}], a: []})
})
