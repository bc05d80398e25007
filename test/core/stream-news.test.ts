import {expect, test} from 'vitest'
import {StreamNews} from '../../src/core/stream-news.ts'
import type {TradeEvent} from '../../src/core/trade-events.ts'

test('a stream that is lost is told of once, and again when it is back; orders are not market data', () => {
  let nowMs = 0
  const events: TradeEvent[] = []
  const news = new StreamNews({nowMs: () => nowMs, nowUs: () => 7, onEvent: event => events.push(event)})
  news.onConnection('crypto', true)
  expect(events).toEqual([])
  news.onConnection('order', false)
  expect(news.isBlind).toBe(false)
  news.onConnection('crypto', false)
  news.onConnection('crypto', false)
  expect(news.isBlind).toBe(true)
  nowMs = 12_340
  news.onConnection('crypto', true)
  expect(news.isBlind).toBe(false)
  expect(events).toEqual([
    {kind: 'log', tsUs: 7, level: 'warn', text: expect.stringContaining('the order stream of the venue is lost')},
    {kind: 'log', tsUs: 7, level: 'warn', text: expect.stringContaining('the crypto stream of the venue is lost')},
    {kind: 'log', tsUs: 7, level: 'info', text: 'the crypto stream of the venue is back after 12.3 s'},
  ])
})
