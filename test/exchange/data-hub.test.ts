import {expect, test} from 'vitest'
import {EventKind, emptyChunk, Notice} from '../../src/data/tape.ts'
import {DataHub} from '../../src/exchange/server/data-hub.ts'
import type {DataStreamSession} from '../../src/exchange/server/data-stream.ts'
import type {MarketMessage} from '../../src/exchange/server/market-messages.ts'
import {exchangeRig} from './exchange-rig.ts'

/** A hub with one reader of everything, and a way to say what the market says. */
const hubRig = () => {
  const rig = exchangeRig({symbols: ['AAPL']})
  const hub = new DataHub(rig.exchange)
  const told: Record<string, unknown>[] = []
  hub.add({
    wants: () => true,
    push: (message: MarketMessage) => told.push(JSON.parse(message.json())),
  } as unknown as DataStreamSession)
  const notice = (flags: number, values: readonly number[]): void => {
    const chunk = emptyChunk(1)
    chunk.count = 1
    chunk.tsUs[0] = rig.exchange.nowUs
    chunk.kind[0] = EventKind.notice
    chunk.flags[0] = flags
    ;[chunk.v0, chunk.v1, chunk.v2, chunk.v3].forEach((column, k) => {
      column[0] = values[k] ?? 0
    })
    hub.onRow(chunk, 0)
  }
  return {told, notice}
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
