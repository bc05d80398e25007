import {writeFileSync} from 'node:fs'
import {text} from 'node:stream/consumers'
import {gzipSync} from 'node:zlib'
import {expect, test} from 'vitest'
import {openInput} from '../../src/core/open-input.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const lines = Array.from({length: 5_000}, (_, i) => `{"line":${i}}\n`).join('')

test('a file named .gz is unpacked', async () => {
  using folder = temporaryFolder()
  writeFileSync(folder.join('a.gz'), gzipSync(lines))
  expect(await text(openInput(folder.join('a.gz')))).toBe(lines)
})

test('one that was cut off, or is no gzip, is invalid data with its name, and no bug', async () => {
  using folder = temporaryFolder()
  const whole = gzipSync(lines)
  writeFileSync(folder.join('cut.gz'), whole.subarray(0, whole.length / 2))
  writeFileSync(folder.join('plain.gz'), lines)
  for (const name of ['cut.gz', 'plain.gz']) {
    await expect(text(openInput(folder.join(name)))).rejects.toMatchObject({code: 'GZIP_INVALID', exitCode: 6})
  }
})
