import v8 from 'node:v8'
import vm from 'node:vm'

/** The heap may grow by so much of what lives in it, in percent, before all of it is looked at again. */
const GROWTH = 200

/**
 * V8 gives memory back by two full collections when it believes a program to be idle, half a minute after its start: of a
 * node that has just begun to trade, they take 10 to 20 ms of the loop each. To be called before anything else is loaded.
 */
export const keepMemory = (): void => v8.setFlagsFromString('--memory-reducer-gc-count=0')

/** Collects now what starting up has left behind, 20 to 50 ms with nothing at stake, so that the next time is far off. */
export const settleHeap = (): void => {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`)
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  v8.setFlagsFromString('--no-expose-gc')
  collect()
}
