import {readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {GpiRecord} from '../../src/data/records.ts'

const page = readFileSync(new URL('../../docs/records.md', import.meta.url), 'utf8')
const schemas = new Map(GpiRecord.options.map(option => [option.shape.kind.value as string, option]))

/** A vector is cut short on the page; here it gets its length. */
const whole = (record: Record<string, unknown>) =>
  Array.isArray(record['vector'])
    ? {...record, vector: Array.from({length: 256}, (_, index) => (record['vector'] as number[])[index] ?? 0)}
    : record

const examples = [...page.matchAll(/^\{"kind".*\}$/gm)].map(
  ([line]) => whole(JSON.parse(line)) as Record<string, unknown> & {kind: string},
)

test.each(examples)('the example of $kind on the records page is one', example => {
  const {error} = GpiRecord.safeParse(example)
  expect(error?.issues).toBeUndefined()
})

test('the records page has an example of every kind, with every field that its schema names', () => {
  for (const [kind, schema] of schemas) {
    const example = examples.find(one => one.kind === kind)
    expect(example, kind).toBeDefined()
    const named = kind === 'band' || kind === 'run' ? ['kind'] : Object.keys(schema.shape)
    expect(Object.keys(example ?? {}), kind).toEqual(expect.arrayContaining(named))
  }
})

test('the tables of the records page list the fields of each schema, optional ones marked', () => {
  const rows = new Map(
    [...page.matchAll(/^\| `([a-z-]+)` \| `([^`]+)` \|/gm)].map(([, kind, fields]) => [
      kind,
      (fields ?? '').split(' '),
    ]),
  )
  for (const [kind, schema] of schemas) {
    const row = rows.get(kind)
    if (!row || row.length === 1) continue
    const expected = Object.entries(schema.shape)
      .filter(([name]) => name !== 'kind')
      .map(([name, field]) => (field.safeParse(undefined).success ? `${name}?` : name))
    expect(row, kind).toEqual(expected)
  }
  expect(rows.size).toBeGreaterThan(20)
})
