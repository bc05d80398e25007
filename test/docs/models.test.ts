import {readFileSync} from 'node:fs'
import {expect, test} from 'vitest'

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const page = read('docs/models.md')
const cardOf = (name: string) => JSON.parse(read(`models/${name}.card.json`))

test.each(['book', 'signal', 'transformer'])('the row of %s on the models page is its card’s', name => {
  const {test: measured, baselines, verdict} = cardOf(name)
  const row = page
    .split('\n')
    .find(line => line.startsWith(`| \`${name}\`${name === 'transformer' ? ' (int8)' : ''} |`))
  const figures = row
    ?.split('|')
    .slice(3, 8)
    .map(cell => cell.trim())
  const upAgainstDown = /: ([\d.]+ %) right/.exec(verdict.join('\n'))?.[1]
  expect(figures).toEqual([
    measured.macroF1.toFixed(3),
    baselines.persistence.macroF1.toFixed(3),
    baselines.linear.macroF1.toFixed(3),
    measured.mcc.toFixed(3),
    upAgainstDown,
  ])
})

test('what the models page says of the embedder and the policy is on their cards', () => {
  const words = [...cardOf('embedder').verdict, ...cardOf('policy').verdict].join('\n')
  for (const figure of [
    '0.168',
    '1.581',
    '0.451',
    '0.979',
    '0.995',
    '0.845',
    '0.849',
    '0.999',
    '-2.254',
    '0.155',
    '-0.027 %',
    '-0.047 %',
    '-0.009 %',
  ]) {
    expect(words).toContain(figure)
    expect(page).toContain(figure)
  }
})
