import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {NationalBestBuilder} from '../../src/data/national-best.ts'

describe('the national best', () => {
  it('takes the best price of any venue and adds up the sizes at it', () => {
    const best = new NationalBestBuilder(3)
    best.setBid(0, 10, 100)
    best.setBid(1, 10, 200)
    best.setBid(2, 9.99, 900)
    best.setAsk(2, 10.01, 50)
    expect(best.update()).toBe(true)
    expect([best.bid, best.bidSize, best.ask, best.askSize]).toEqual([10, 300, 10.01, 50])
    expect(best.update()).toBe(false)
  })

  it('forgets a quote that a newer one locks or crosses, until its venue quotes again', () => {
    const best = new NationalBestBuilder(2)
    best.setAsk(0, 10.01, 100)
    best.setAsk(1, 10.05, 100)
    best.setBid(1, 10.02, 100)
    best.update()
    expect([best.bid, best.ask, best.stale]).toEqual([10.02, 10.05, 1])
    best.setAsk(0, 10.04, 100)
    best.update()
    expect(best.ask).toBe(10.04)
  })

  it('has no side where every venue withdrew', () => {
    const best = new NationalBestBuilder(1)
    best.setBid(0, 10, 1)
    best.update()
    best.setBid(0, 0, 0)
    expect(best.update()).toBe(true)
    expect([best.bid, best.bidSize]).toEqual([0, 0])
  })

  it('is never locked or crossed by two venues', () => {
    const quote = fc.record({
      venue: fc.nat(3),
      isBid: fc.boolean(),
      price: fc.integer({min: 1, max: 20}),
      size: fc.integer({min: 0, max: 3}),
    })
    fc.assert(
      fc.property(fc.array(quote, {maxLength: 60}), quotes => {
        const best = new NationalBestBuilder(4)
        // One venue never crosses itself: its other side goes when the new one would.
        const own = new Map<number, {bid: number; ask: number}>()
        for (const {venue, isBid, price, size} of quotes) {
          const sides = own.get(venue) ?? {bid: 0, ask: 0}
          if (isBid && sides.ask !== 0 && sides.ask <= price) best.setAsk(venue, 0, 0)
          if (!isBid && sides.bid !== 0 && sides.bid >= price) best.setBid(venue, 0, 0)
          if (isBid) best.setBid(venue, price, size)
          else best.setAsk(venue, price, size)
          own.set(venue, isBid ? {bid: price, ask: sides.ask} : {bid: sides.bid, ask: price})
          best.update()
          if (best.bidSize > 0 && best.askSize > 0) expect(best.bid).toBeLessThan(best.ask)
        }
      }),
    )
  })
})
