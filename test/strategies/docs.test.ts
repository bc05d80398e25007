import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import process from 'node:process'
import {describe, expect, test} from 'vitest'
import {denialTable} from '../../src/risk/denials.ts'
import {describeParams, STRATEGIES} from '../../src/strategies/registry.ts'

/**
 * Tables in docs/strategies are generated from the schemas. After a change: GPI_UPDATE_DOCS=1 npx vitest run test/strategies/docs
 */
const folder = new URL('../../docs/strategies/', import.meta.url).pathname

const parameterTable = (name: string): string =>
  [
    '| parameter | default | meaning |',
    '|---|---|---|',
    ...describeParams(name).map(p => `| \`${p.name}\` | \`${JSON.stringify(p.default)}\` | ${p.description} |`),
  ].join('\n')

const check = (file: string, marker: string, table: string): void => {
  const text = readFileSync(file, 'utf8')
  const start = text.indexOf(`<!-- ${marker} -->`)
  expect(start, `${file} has no <!-- ${marker} -->`).toBeGreaterThan(0)
  const wanted = `${text.slice(0, start)}<!-- ${marker} -->\n${table}\n`
  if (process.env['GPI_UPDATE_DOCS'] === '1') writeFileSync(file, wanted)
  else expect(text).toBe(wanted)
}

describe('docs/strategies', () => {
  const documented = Object.keys(STRATEGIES).filter(
    name => !['buy-and-hold', 'random-entry', 'do-nothing'].includes(name),
  )
  test.each(documented)('%s has a page with its parameters', name => {
    expect(existsSync(`${folder}${name}.md`)).toBe(true)
    check(`${folder}${name}.md`, 'parameters', parameterTable(name))
  })
  test('the table of refusals is the code’s', () => check(`${folder}risk.md`, 'denials', denialTable()))
})
