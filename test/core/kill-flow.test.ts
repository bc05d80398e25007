import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {runKill} from '../../src/core/kill.ts'
import {killAtVenue} from '../../src/core/kill-flow.ts'
import {VenueRefused, VenueUnreachable} from '../../src/core/kill-venue.ts'
import {fakeTime, ScriptedVenue} from '../support/kill-double.ts'

const kill = (venue: ScriptedVenue, {flatten = true, timeoutMs = 30_000} = {}) =>
  killAtVenue(venue, {flatten, deadlineMs: timeoutMs, ...fakeTime()})

describe('a kill at one venue', () => {
  test('the first request is a cancel of everything', async () => {
    const venue = new ScriptedVenue()
    venue.open('AAPL')
    await kill(venue)
    expect(venue.log[0]).toBe('cancelAll')
  })

  test('without --flatten it cancels, leaves positions, and says what is held', async () => {
    const venue = new ScriptedVenue()
    venue.open('AAPL')
    venue.open('SPY')
    venue.held.set('AAPL', 10)
    expect(await kill(venue, {flatten: false})).toMatchObject({
      state: 'confirmed',
      cancelled: 2,
      openOrders: 0,
      positions: [{symbol: 'AAPL', quantity: 10}],
    })
    expect(venue.log.some(entry => entry.startsWith('close'))).toBe(false)
  })

  test('closes longs and shorts and waits until nothing is held', async () => {
    const venue = new ScriptedVenue()
    venue.held.set('AAPL', 10)
    venue.held.set('BTCUSD', -0.5)
    expect(await kill(venue)).toMatchObject({state: 'confirmed', openOrders: 0, positions: []})
  })

  test('a partial fill of the closing order is waited for, not doubled', async () => {
    const venue = new ScriptedVenue()
    venue.held.set('AAPL', 10)
    venue.fillPerPoll = 3
    expect(await kill(venue)).toMatchObject({state: 'confirmed', positions: []})
    expect(venue.log.filter(entry => entry === 'close AAPL')).toHaveLength(1)
    expect(venue.held.get('AAPL')).toBe(0)
  })

  test('what covers a short option is closed only after the broker says the short is gone', async () => {
    const [long, short] = ['AAPL250613C00150000', 'AAPL250613C00155000']
    const venue = new ScriptedVenue()
    venue.held.set(long, 2)
    venue.held.set('AAPL', 100)
    venue.held.set('SPY', 1)
    venue.held.set(short, -2)
    venue.fillPerPoll = 1
    const naked: string[] = []
    venue.before = (_, what) => {
      if ((what === `close ${long}` || what === 'close AAPL') && (venue.held.get(short) ?? 0) !== 0) naked.push(what)
    }
    expect(await kill(venue)).toMatchObject({state: 'confirmed', positions: []})
    expect(naked).toEqual([])
    const closes = venue.log.filter(entry => entry.startsWith('close '))
    // The share of another company does not wait.
    expect(closes.slice(0, 2).toSorted()).toEqual([`close ${short}`, 'close SPY'].toSorted())
    expect(closes.slice(2).toSorted()).toEqual(['close AAPL', `close ${long}`])
  })

  test('a short option that cannot be closed keeps its cover, and the time out says so', async () => {
    const venue = new ScriptedVenue()
    venue.held.set('AAPL250613C00150000', 1)
    venue.held.set('AAPL250613C00155000', -1)
    venue.fillPerPoll = 0
    const outcome = await kill(venue, {timeoutMs: 2_000})
    expect(outcome.state).toBe('timeout')
    expect(outcome.positions).toHaveLength(2)
    expect(venue.log).not.toContain('close AAPL250613C00150000')
  })

  test('an order that appears after the cancel is cancelled too', async () => {
    const venue = new ScriptedVenue()
    venue.before = request => {
      if (request === 3) venue.open('SPY')
    }
    expect(await kill(venue)).toMatchObject({state: 'confirmed', cancelled: 1, openOrders: 0})
  })

  test('a stranger that appears while closing does not take the closing order with it', async () => {
    const venue = new ScriptedVenue()
    venue.held.set('AAPL', 10)
    venue.fillPerPoll = 1
    venue.before = request => {
      if (request === 6) venue.open('SPY')
    }
    expect(await kill(venue)).toMatchObject({state: 'confirmed', positions: [], openOrders: 0})
    expect(venue.log.filter(entry => entry === 'close AAPL')).toHaveLength(1)
  })

  test('a closing order that does not move is taken back and sent again', async () => {
    const venue = new ScriptedVenue()
    venue.held.set('AAPL', 10)
    venue.fillPerPoll = 0
    venue.before = (_, what) => {
      if (what.startsWith('cancel close')) venue.fillPerPoll = 10
    }
    expect(await kill(venue)).toMatchObject({state: 'confirmed', positions: []})
    expect(venue.log.filter(entry => entry === 'close AAPL')).toHaveLength(2)
  })

  test('time out says what is still there', async () => {
    const venue = new ScriptedVenue()
    venue.open('AAPL', {pollsToCancel: 1_000_000})
    expect(await kill(venue, {timeoutMs: 2_000})).toMatchObject({state: 'timeout', openOrders: 1})
  })

  test('nobody listening is unreachable, wrong keys are refused, and neither throws', async () => {
    const down = new ScriptedVenue()
    down.before = () => {
      throw new VenueUnreachable('scripted')
    }
    expect((await kill(down)).state).toBe('unreachable')
    const wrong = new ScriptedVenue()
    wrong.before = () => {
      throw new VenueRefused('401')
    }
    expect((await kill(wrong)).state).toBe('refused')
  })

  test('whatever fails on the way, confirmed means none open and none held', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({symbol: fc.constantFrom('AAPL', 'SPY', 'BTC/USD'), pollsToCancel: fc.nat({max: 4})})),
        fc.dictionary(fc.constantFrom('AAPL', 'SPY', 'BTCUSD'), fc.integer({min: -20, max: 20})),
        fc.uniqueArray(fc.integer({min: 1, max: 40}), {maxLength: 15}),
        fc.uniqueArray(fc.integer({min: 1, max: 25}), {maxLength: 5}),
        fc.integer({min: 1, max: 20}),
        async (orders, positions, failures, arrivals, fillPerPoll) => {
          const venue = new ScriptedVenue()
          for (const {symbol, pollsToCancel} of orders) venue.open(symbol, {pollsToCancel})
          for (const [symbol, quantity] of Object.entries(positions)) venue.held.set(symbol, quantity)
          venue.fillPerPoll = fillPerPoll
          venue.before = (request, what) => {
            // An order that arrives after the last look cannot be seen by anybody who looks.
            if (arrivals.includes(request) && what !== 'positions') venue.open('SPY', {pollsToCancel: 1})
            if (failures.includes(request)) throw new Error('connection reset')
          }
          const outcome = await kill(venue, {timeoutMs: 120_000})
          expect(outcome.state).toBe('confirmed')
          expect(venue.orders.size).toBe(0)
          expect([...venue.held.values()].every(quantity => quantity === 0)).toBe(true)
        },
      ),
      {numRuns: 200},
    )
  })
})

describe('a kill over all venues', () => {
  const base = {flatten: true, timeoutMs: 5_000, reason: 'test'}

  test('the latch is down before the first request leaves', async () => {
    const order: string[] = []
    const venue = new ScriptedVenue()
    venue.before = (_, what) => order.push(what)
    await runKill({
      ...base,
      ...fakeTime(),
      venues: [venue],
      latch: {engage: () => order.push('latch'), release: () => true},
    })
    expect(order.slice(0, 2)).toEqual(['latch', 'cancelAll'])
  })

  test.each([
    {states: [], exitCode: 1, what: 'nobody to ask'},
    {states: ['ok'], exitCode: 0, what: 'one confirmed'},
    {states: ['ok', 'down'], exitCode: 0, what: 'one confirmed, one gone with its process'},
    {states: ['down'], exitCode: 1, what: 'nobody reachable'},
    {states: ['ok', 'slow'], exitCode: 5, what: 'one not confirmed in time'},
    {states: ['ok', 'keyless'], exitCode: 1, what: 'one without keys'},
  ])('$what: exit code $exitCode', async ({states, exitCode}) => {
    const venues = states.map(state => {
      const venue = new ScriptedVenue()
      if (state === 'slow') venue.open('AAPL', {pollsToCancel: 1_000_000})
      venue.before = () => {
        if (state === 'down') throw new VenueUnreachable('down')
        if (state === 'keyless') throw new VenueRefused('no keys')
      }
      return venue
    })
    const result = await runKill({...base, ...fakeTime(), venues, latch: {engage: () => {}, release: () => true}})
    expect(result).toMatchObject({latched: true, exitCode})
  })

  test('a disk that cannot hold the latch is told, and the orders are cancelled all the same', async () => {
    const venue = new ScriptedVenue()
    venue.open('AAPL')
    const engage = () => {
      throw new Error('EROFS: read-only file system')
    }
    const result = await runKill({...base, ...fakeTime(), venues: [venue], latch: {engage, release: () => true}})
    expect(result).toMatchObject({
      latched: false,
      latchError: 'EROFS: read-only file system',
      cancelled: 1,
      exitCode: 1,
    })
  })

  test('a remote latch that is down is told and does not stop the kill', async () => {
    const result = await runKill({
      ...base,
      ...fakeTime(),
      venues: [new ScriptedVenue()],
      latch: {engage: () => {}, release: () => true},
      remoteLatch: () => Promise.reject(new Error('ECONNREFUSED')),
    })
    expect(result).toMatchObject({exitCode: 0, remoteLatch: 'failed: ECONNREFUSED'})
  })
})
