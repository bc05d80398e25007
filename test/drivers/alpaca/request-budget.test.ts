import {expect, test} from 'vitest'
import {type ManualClock as Clock, ManualClock} from '../../../src/domain/time.ts'
import {tsUs} from '../../../src/domain/units.ts'
import {Priority, RequestBudget} from '../../../src/drivers/alpaca/request-budget.ts'

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
  return {budget, pass}
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

test('a cancel goes before what waits, out of the reserve', async () => {
  const {budget, pass} = setup(60)
  while (budget.tryTake(Priority.submit));
  const gone: string[] = []
  void budget.take(Priority.query).then(() => gone.push('query'))
  void budget.take(Priority.submit).then(() => gone.push('submit'))
  expect(budget.tryTake(Priority.submit)).toBe(false)
  expect(budget.tryTake(Priority.cancel)).toBe(true)
  await pass(10_000_000)
  expect(gone).toEqual(['submit', 'query'])
})
