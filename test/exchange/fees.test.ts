import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import * as tables from '../../src/exchange/fee-tables.ts'
import {feeSchedule} from '../../src/exchange/fees.ts'

const instruments = InstrumentTable.of(['AAPL', 'AAPL240621C00200000', 'SPXW240621C05000000'])
const us = feeSchedule('us', instruments)
const at = (day: string): number => Date.parse(`${day}T15:00:00Z`) * 1000
const fee = (instrument: number, side: 'buy' | 'sell', lots: number, dollars: number, day: string): number =>
  us.feeOf({
    instrument,
    side,
    lots,
    priceTicks: dollars * 10_000,
    notionalMicros: lots * dollars * (instrument === 0 ? 1 : 100) * 1e6,
    liquidity: 'taker',
    tsUs: at(day),
  }).feeMicros

describe('fees of US markets', () => {
  test('on shares are charged on sales: section 31 and the trading activity fee of the day', () => {
    expect(fee(0, 'buy', 1000, 100, '2018-06-01')).toBe(0)
    // $100,000 at $13 a million is $1.30; 1,000 shares at $0.000119 are $0.119; what is rounded up is a micro at most.
    const near = (micros: number) => [micros, micros + 1]
    expect(near(1_300_000 + 119_000)).toContain(fee(0, 'sell', 1000, 100, '2018-06-01'))
    expect(near(2_310_000 + 119_000)).toContain(fee(0, 'sell', 1000, 100, '2018-05-21'))
    // The cap: a million shares pay $5.95.
    expect(fee(0, 'sell', 1_000_000, 1, '2018-06-01')).toBe(13_000_000 + 5_950_000)
    expect(near(166_000)).toContain(fee(0, 'sell', 1000, 100, '2025-06-02'))
  })
  test('on options count the regulatory and clearing fees on both sides, the others on sales', () => {
    // 10 contracts: 0.0379 and 0.045 each; sold for $2,000 at $22.10 a million and 0.002 a contract.
    expect(fee(1, 'buy', 10, 2, '2020-10-01')).toBe(829_000)
    expect(fee(1, 'sell', 10, 2, '2020-10-01')).toBe(829_000 + 20_000 + 44_200)
    // Clearing is two cents from June 2021, nothing in its holiday, capped at $55 until 2025.
    expect(fee(1, 'buy', 10, 2, '2021-05-28') - fee(1, 'buy', 10, 2, '2021-06-01')).toBe(250_000)
    expect(fee(1, 'buy', 10, 2, '2021-10-29') - fee(1, 'buy', 10, 2, '2021-11-01')).toBe(200_000)
    expect(fee(1, 'buy', 10_000, 2, '2024-12-30')).toBe(268_500_000 + 55_000_000)
    expect(fee(1, 'buy', 10_000, 2, '2025-03-03')).toBe(281_500_000 + 250_000_000)
  })
  test('on options on an index leave section 31 out', () => {
    expect(fee(1, 'sell', 10, 2, '2020-10-01') - fee(2, 'sell', 10, 2, '2020-10-01')).toBe(44_200)
  })
  test('on shares sold by an exercise are section 31 on the strike', () => {
    expect(us.ofDelivery?.({notionalMicros: 20_000e6, tsUs: at('2024-06-21')})).toBe(556_000)
  })
})

test('the tables are in order, their days are days, and no value is negative', () => {
  for (const [name, table] of Object.entries(tables)) {
    if (!Array.isArray(table)) continue
    const days = (table as tables.Dated).map(([day]) => day)
    expect([name, days]).toEqual([name, [...new Set(days)].sort()])
    for (const [day, value] of table as tables.Dated) {
      expect(new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10)).toBe(day)
      expect(value).toBeGreaterThanOrEqual(0)
    }
  }
})
