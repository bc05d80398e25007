import {execFileSync} from 'node:child_process'
import process from 'node:process'
import {expect, test} from 'vitest'

/** What V8 traces of itself while a script runs in a process of its own. */
const traceOf = (script: string, ...flags: readonly string[]): string => {
  const module = JSON.stringify(new URL('../../src/core/settled-heap.ts', import.meta.url).href)
  const code = `import {keepMemory, settleHeap} from ${module}; ${script}`
  return execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', code], {encoding: 'utf8'})
}

test('what starting up has left behind is collected, and the loop’s own code sees no gc', () => {
  const trace = traceOf('settleHeap(); console.log("then", typeof gc)', '--trace-gc')
  expect(trace).toMatch(/Mark-Compact.*testing[\s\S]*then undefined/)
  expect(traceOf('console.log("nothing")', '--trace-gc')).not.toMatch(/testing/)
})

test('an idle heap is not made smaller again', () => {
  const idle = 'settleHeap(); setTimeout(() => {}, 900)'
  // As after half a minute.
  const soon = ['--trace-gc', '--memory-reducer-delay-ms=20', '--gc-memory-reducer-start-delay-ms=20']
  const collected = (trace: string): number => trace.match(/Mark-Compact.*\(reduce\)/g)?.length ?? 0
  expect(collected(traceOf(idle, ...soon))).toBeGreaterThan(0)
  expect(collected(traceOf(`keepMemory(); ${idle}`, ...soon))).toBe(0)
})
