import os from 'node:os'
import process from 'node:process'

/** Steps down from the priority of the process. */
const STEPS = 10
const LEAST_URGENT = 19

/**
 * The calling thread lets the others of this process go first: where cores are few, a thread that wakes in the middle of an
 * order's way would otherwise wait for one that has milliseconds of work of its own. Only Linux knows this of threads.
 */
export const stepAside = (): void => {
  if (process.platform === 'linux') os.setPriority(0, Math.min(LEAST_URGENT, os.getPriority(0) + STEPS))
}
