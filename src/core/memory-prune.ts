import {setImmediate} from 'node:timers/promises'
import type {PrunePlan, PruneProgress} from '../memory/prune.ts'

export interface PlanInTurnsOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: PruneProgress) => void
}

/** Takes the plan's steps and lets everything else have its turn between them. Throws the signal's reason when it was stopped. */
export const planInTurns = async (
  steps: Generator<PruneProgress, PrunePlan>,
  {signal, onProgress}: PlanInTurnsOptions,
): Promise<PrunePlan> => {
  for (;;) {
    await setImmediate()
    signal.throwIfAborted()
    const {done, value} = steps.next()
    if (done === true) return value
    onProgress(value)
  }
}
