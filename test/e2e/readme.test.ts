import {spawn} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {temporaryFolder} from '../support/run-gpi.ts'
import {noTestData, testData} from '../support/test-data.ts'

/**
 * Every fenced `sh` block of the README and of docs runs as it stands, in one shell, in order, in a folder of its own.
 * A block is left out only by its fence saying why: `sh skip=…` (needs keys, a network or a server).
 */
interface Snippet {
  readonly file: string
  readonly line: number
  readonly info: string
  readonly script: string
}

const documents = [
  'README.md',
  ...readdirSync('docs', {recursive: true}).map(file => path.join('docs', String(file))),
].filter(file => file.endsWith('.md'))

const snippetsOf = (file: string): Snippet[] =>
  [...readFileSync(file, 'utf8').matchAll(/^```sh *(.*)\n([\s\S]*?)^```$/gm)].map(match => ({
    file,
    line: readFileSync(file, 'utf8').slice(0, match.index).split('\n').length,
    info: match[1] ?? '',
    script: match[2] ?? '',
  }))

/** The set-up command is what made this checkout; running it again here would only measure the registry. */
const withoutSetUp = (script: string): string => script.replace(/^npm (ci|test|run)\b.*$/gm, '')

const sh = (script: string, cwd: string): Promise<{code: number | null; output: string}> =>
  new Promise(resolve => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd,
      env: {...process.env, PATH: `${path.resolve('node_modules/.bin')}:${process.env['PATH']}`, NO_COLOR: '1'},
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
    child.on('close', code => resolve({code, output}))
  })

describe.each(documents.filter(file => snippetsOf(file).length > 0))('%s', file => {
  const snippets = snippetsOf(file)
    .filter(({info}) => !info.startsWith('skip='))
    .map(snippet => ({...snippet, script: withoutSetUp(snippet.script)}))
  const needsData = snippets.some(({script}) => script.includes('../shared/data'))

  test.skipIf(needsData && noTestData)(`its ${snippets.length} shell snippets run`, {timeout: 600_000}, async () => {
    using folder = temporaryFolder('gpi-readme-')
    // The README is read from a checkout: models and examples beside it, real data one folder up.
    const checkout = folder.join('gpi')
    mkdirSync(checkout)
    for (const name of [
      'bin',
      'dist',
      'models',
      'examples',
      'node_modules',
      'package.json',
      'oclif.manifest.json',
      'src',
    ]) {
      if (existsSync(name)) symlinkSync(path.resolve(name), path.join(checkout, name))
    }
    if (!noTestData) {
      mkdirSync(folder.join('shared'))
      symlinkSync(testData, folder.join('shared', 'data'))
    }
    for (const {line, script} of snippets) {
      const {code, output} = await sh(script.replaceAll('npx gpi', './bin/run.js'), checkout)
      expect(code, `${file}:${line}\n${script}\n${output}`).toBe(0)
    }
  })
})
