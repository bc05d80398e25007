import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type ManualClock as Clock, ManualClock} from '../../../src/domain/time.ts'
import {tsUs} from '../../../src/domain/units.ts'
import {BudgetExhausted, Priority, RequestBudget} from '../../../src/drivers/alpaca/request-budget.ts'

/** Timers that run when the clock is moved past them. */
const setup = (perMinute: number) => {
  const clock: Clock = new ManualClock(tsUs(0))
  const timers: {dueUs: number; run: () => void}[] = []
  const budget = new RequestBudget({
    clock,
    perMinute,
    scheduler: {
      after: (delayUs, run) => {
        timers.push({dueUs: clock.nowUs() + delayUs, run})
        return () => {}
      },
    },
  })
  const pass = async (us: number): Promise<void> => {
    const untilUs = clock.nowUs() + us
    for (;;) {
      const next = timers.sort((a, b) => a.dueUs - b.dueUs)[0]
      if (next === undefined || next.dueUs > untilUs) break
      timers.shift()
      clock.advanceTo(tsUs(Math.ceil(next.dueUs)))
      next.run()
      await Promise.resolve()
    }
    clock.advanceTo(tsUs(untilUs))
    await Promise.resolve()
  }
  return {budget, pass, clock}
}

test('many that wait with the same priority all go in the end, in their order', async () => {
  const {budget, pass} = setup(60)
  while (budget.tryTake(Priority.submit));
  const gone: number[] = []
  for (let k = 0; k < 10; k++) void budget.take(Priority.submit).then(() => gone.push(k))
  expect(budget.waiting).toBe(10)
  await pass(30_000_000)
  expect(gone).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(budget.waiting).toBe(0)
})

test('opening orders leave requests for questions, reductions and cancels, in that order', () => {
  const {budget} = setup(200)
  while (budget.tryTake(Priority.submit));
  expect(budget.use().available).toBe(0)
  expect(budget.tryTake(Priority.query)).toBe(true)
  while (budget.tryTake(Priority.query));
  expect(budget.tryTake(Priority.reduce)).toBe(true)
  while (budget.tryTake(Priority.reduce));
  expect(budget.tryTake(Priority.cancel)).toBe(true)
})

test('a cancel goes before what waits, out of the reserve; a question is not starved by orders that wait', async () => {
  const {budget, pass} = setup(60)
  while (budget.tryTake(Priority.submit));
  while (budget.tryTake(Priority.query));
  const gone: string[] = []
  void budget.take(Priority.submit).then(() => gone.push('submit'))
  void budget.take(Priority.query).then(() => gone.push('query'))
  expect(budget.tryTake(Priority.submit)).toBe(false)
  expect(budget.tryTake(Priority.cancel)).toBe(true)
  await pass(20_000_000)
  expect(gone).toEqual(['query', 'submit'])
})

test('an order that cannot wait longer is refused, and counted', async () => {
  const {budget, pass} = setup(60)
  while (budget.tryTake(Priority.submit));
  const failed = budget.take(Priority.submit, 250_000).catch((error: unknown) => error)
  await pass(400_000)
  expect(await failed).toBeInstanceOf(BudgetExhausted)
  expect(budget.use()).toMatchObject({denied: 1, waiting: 0})
})

test('no minute holds more requests than the venue allows, whatever is asked and when', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({min: 0, max: 20_000}), fc.integer({min: 0, max: 3})), {
        minLength: 1,
        maxLength: 400,
      }),
      asked => {
        const {budget, clock} = setup(100)
        const times: number[] = []
        for (const [waitMs, priority] of asked) {
          clock.advanceTo(tsUs(clock.nowUs() + waitMs * 100))
          while (budget.tryTake(priority as Priority)) times.push(clock.nowUs())
        }
        for (const [k, at] of times.entries()) {
          const inMinute = times.slice(k).findIndex(other => other > at + 60_000_000)
          expect(inMinute < 0 ? times.length - k : inMinute).toBeLessThanOrEqual(100)
        }
      },
    ),
  )
})

test('the count of the venue narrows the budget until its minute is over, and a twentieth stays for a kill', async () => {
  const {budget, pass} = setup(200)
  budget.learn({limit: 200, remaining: 14, resetUs: 20_000_000})
  let sent = 0
  while (budget.tryTake(Priority.cancel)) sent++
  expect(sent).toBe(4)
  // An answer that was overtaken says nothing new.
  budget.learn({limit: 200, remaining: 50, resetUs: 20_000_000})
  expect(budget.tryTake(Priority.cancel)).toBe(false)
  await pass(20_000_001)
  expect(budget.tryTake(Priority.cancel)).toBe(true)
})

test('a limit that is lower than configured is kept to, a higher one is not', () => {
  const {budget} = setup(200)
  budget.learn({limit: 1_000, remaining: 990, resetUs: 60_000_000})
  expect(budget.use().perMinute).toBe(200)
  budget.learn({limit: 100, remaining: 90, resetUs: 60_000_000})
  expect(budget.use().perMinute).toBe(100)
})

test('after a 429 nothing goes but a cancel a second', async () => {
  const {budget, pass} = setup(200)
  budget.block(5_000_000)
  expect(budget.tryTake(Priority.submit)).toBe(false)
  expect(budget.tryTake(Priority.cancel)).toBe(false)
  await pass(1_000_000)
  expect(budget.tryTake(Priority.cancel)).toBe(true)
  expect(budget.tryTake(Priority.cancel)).toBe(false)
  expect(budget.use()).toMatchObject({available: 0, throttled: 1})
  await pass(4_000_001)
  expect(budget.tryTake(Priority.query)).toBe(true)
})

test('use is of the last 60 seconds', async () => {
  const {budget, pass} = setup(200)
  for (let k = 0; k < 5; k++) budget.tryTake(Priority.cancel)
  await pass(30_000_000)
  budget.tryTake(Priority.cancel)
  expect(budget.use().lastMinute).toBe(6)
  await pass(31_000_000)
  expect(budget.use().lastMinute).toBe(1)
})
