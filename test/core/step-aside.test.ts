import {once} from 'node:events'
import os from 'node:os'
import {Worker} from 'node:worker_threads'
import {expect, test} from 'vitest'

test.runIf(process.platform === 'linux')('only the thread that steps aside is less urgent', async () => {
  const module = new URL('../../src/core/step-aside.ts', import.meta.url).href
  const before = os.getPriority(0)
  const worker = new Worker(
    `import(${JSON.stringify(module)}).then(({stepAside}) => {
      stepAside()
      require('node:worker_threads').parentPort.postMessage(require('node:os').getPriority(0))
    })`,
    {eval: true},
  )
  const [there] = (await once(worker, 'message')) as [number]
  expect(there).toBe(Math.min(19, before + 10))
  expect(os.getPriority(0)).toBe(before)
})
