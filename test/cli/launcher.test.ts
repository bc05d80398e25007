import {fork} from 'node:child_process'
import {once} from 'node:events'
import {expect, it} from 'vitest'
import {temporaryFolder} from '../support/run-gpi.ts'

it('ends when the launcher that started it under the bundled Node was killed', async () => {
  using folder = temporaryFolder()
  const child = fork('bin/run.js', ['exchange', '--port', '0', '--json'], {
    silent: true,
    env: {...process.env, GPI__HOME: folder.path},
  })
  let words = ''
  const isServing = new Promise<void>(resolve => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', text => {
        words += String(text)
        if (/127\.0\.0\.1/.test(words)) resolve()
      })
    }
  })
  const exit = once(child, 'exit')
  await Promise.race([isServing, exit])
  expect(child.exitCode, words).toBeNull()
  // What a `kill -9` of the launcher does to the channel between the two.
  child.disconnect()
  expect(await exit).toEqual([0, null])
})
