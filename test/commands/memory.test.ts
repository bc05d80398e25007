import {execFileSync} from 'node:child_process'
import {createReadStream, existsSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs'
import process from 'node:process'
import {text} from 'node:stream/consumers'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'
import MemoryAdd from '../../src/commands/memory/add.ts'
import MemoryExport from '../../src/commands/memory/export.ts'
import MemoryImport from '../../src/commands/memory/import.ts'
import MemoryPrune from '../../src/commands/memory/prune.ts'
import MemoryRebuild from '../../src/commands/memory/rebuild.ts'
import MemorySearch from '../../src/commands/memory/search.ts'
import MemoryStats from '../../src/commands/memory/stats.ts'
import MemoryVerify from '../../src/commands/memory/verify.ts'
import {createRng} from '../../src/domain/rng.ts'
import {nearSample, unitSample} from '../support/patterns.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const root = process.cwd()
let folder: ReturnType<typeof temporaryFolder>
let out: string
let words: string

beforeEach(() => {
  folder = temporaryFolder('gpi-memory-cli-')
  out = ''
  words = ''
  const into = (take: (text: string) => void) => (chunk: unknown, encoding?: unknown, done?: unknown) => {
    take(String(chunk))
    const callback = typeof encoding === 'function' ? encoding : done
    if (typeof callback === 'function') callback()
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(
    into(text => {
      out += text
    }),
  )
  vi.spyOn(process.stderr, 'write').mockImplementation(
    into(text => {
      words += text
    }),
  )
})
afterEach(() => {
  folder[Symbol.dispose]()
  process.exitCode = 0
})

const rng = createRng(4)
const vectors = Array.from({length: 30}, () => unitSample(rng))
const record = (i: number, given: object = {}) => ({
  ...{kind: 'pattern', id: `p${i}`, symbol: i % 2 === 0 ? 'SPY' : 'QQQ', strategy: 'market-making', regime: 'calm'},
  ...{
    tsUs: 1_000_000 + i,
    vector: [...(vectors[i] as Float32Array)],
    outcome: {pnlBps: i, horizonUs: 10},
    note: 'mine',
  },
  ...given,
})
const ndjson = (records: readonly unknown[]): string => records.map(item => `${JSON.stringify(item)}\n`).join('')

const fill = async (records: readonly unknown[] = vectors.map((_, i) => record(i))) => {
  const file = folder.join('patterns.ndjson')
  writeFileSync(file, ndjson(records))
  const result = await MemoryAdd.run(['--from', file, '--bank', folder.join('bank'), '--json'], {root})
  out = ''
  return result
}

describe('gpi memory', () => {
  test('add stores records and says how many', async () => {
    expect(await fill()).toEqual({
      ...{added: 30, known: 0, conflicting: 0, rejected: 0, problems: [], stopped: false, count: 30},
    })
    expect(await fill()).toMatchObject({added: 0, known: 30, rejected: 0, problems: [], count: 30})
    expect(process.exitCode ?? 0).toBe(0)
  })

  test('add says which known patterns came with another vector or context, and keeps the stored', async () => {
    await fill()
    const changed = [record(1, {symbol: 'IWM'}), record(2, {vector: [...(vectors[3] as Float32Array)]}), record(4)]
    expect(await fill(changed)).toMatchObject({
      ...{added: 0, known: 3, conflicting: 2, rejected: 0, count: 30},
      problems: [expect.stringMatching(/^line 1: pattern p1 is stored with another/), expect.stringMatching(/^line 2/)],
    })
    expect(process.exitCode ?? 0).toBe(0)
  })

  test('import names a file that is no Parquet', async () => {
    writeFileSync(folder.join('junk.parquet'), 'junk')
    await MemoryImport.run(['--from', folder.join('junk.parquet'), '--bank', folder.join('bank'), '--json'], {root})
    expect(process.exitCode).toBe(6)
    expect(JSON.parse(out)).toMatchObject({error: {code: 'PARQUET_INVALID'}})
  })

  test('add names the lines it refuses, keeps the rest, and exits 6', async () => {
    const file = folder.join('mixed.ndjson')
    const bad = [record(1, {vector: [1, 2]}), record(2, {outcome: {}}), record(3, {vector: new Array(256).fill(0)})]
    writeFileSync(file, `${ndjson([record(0)])}{broken\n\n${ndjson(bad)}`)
    const argv = ['--from', file, '--bank', folder.join('bank'), '--rejects', folder.join('rejects'), '--json']
    expect(await MemoryAdd.run(argv, {root})).toMatchObject({
      ...{added: 1, rejected: 4, count: 1},
      problems: [
        expect.stringMatching(/^line 2: not JSON/),
        expect.stringMatching(/^line 4: vector: /),
        expect.stringMatching(/^line 5: outcome.pnlBps: /),
        'line 6: the vector of pattern p3 must be finite and not all zero',
      ],
    })
    expect(process.exitCode).toBe(6)
    expect(readFileSync(folder.join('rejects'), 'utf8').trim().split('\n')).toHaveLength(4)
    process.exitCode = 0
    await MemoryAdd.run([...argv, '--skip-invalid'], {root})
    expect(process.exitCode ?? 0).toBe(0)
  })

  test.each([
    ['a share of a use', {uses: 1.5}],
    ['a time that is no integer', {lastUseUs: 1e300}],
    ['a tier there is not', {tier: 'lukewarm'}],
    ['an outcome without its P&L', {outcome: {pnlBps: 1, observations: [[2_000_000, null]]}}],
    ['an outcome at no time', {outcome: {pnlBps: 1, atUs: 'noon'}}],
    ['half a character', {regime: '\ud800'}],
  ])('add refuses %s, and keeps the rest of the batch', async (_, given) => {
    const file = folder.join('mixed.ndjson')
    writeFileSync(file, ndjson([record(0), record(1, given), record(2)]))
    const argv = ['--from', file, '--bank', folder.join('bank'), '--json']
    expect(await MemoryAdd.run(argv, {root})).toMatchObject({added: 2, rejected: 1})
    expect(await MemoryVerify.run(['--bank', folder.join('bank'), '--json'], {root})).toMatchObject({
      ...{sound: true, patterns: 2, observations: 2},
    })
  })

  test('search answers with matches, evidence and time', async () => {
    await fill()
    writeFileSync(folder.join('query.json'), JSON.stringify([...(vectors[6] as Float32Array)]))
    const argv = ['--vector', folder.join('query.json'), '--bank', folder.join('bank'), '--k', '2', '--json']
    const result = await MemorySearch.run(argv, {root})
    expect(result).toMatchObject({
      matches: [{id: 'p6', symbol: 'SPY', tsUs: 1_000_006, outcome: {count: 1, mean: 6, lastAtUs: 1_000_016}}, {}],
      evidence: {n: 1, effectiveN: 1, mean: 6, abstain: true, reason: 'too-few'},
    })
    expect(Object.keys((result as {evidence: object}).evidence)).toEqual(
      expect.arrayContaining(['n', 'effectiveN', 'mean', 'low', 'high', 'abstain']),
    )
    expect((result as {tookUs: number}).tookUs).toBeGreaterThan(0)
    const ofQqq = await MemorySearch.run([...argv, '--symbol', 'QQQ'], {root})
    expect((ofQqq as unknown as {matches: {symbol: string}[]}).matches.map(({symbol}) => symbol)).toEqual([
      'QQQ',
      'QQQ',
    ])
    const early = await MemorySearch.run([...argv, '--as-of', '1000012'], {root})
    expect((early as unknown as {matches: {tsUs: number}[]}).matches.every(({tsUs}) => tsUs + 10 <= 1_000_012)).toBe(
      true,
    )
    const old = await MemorySearch.run([...argv, '--max-age', '30d'], {root})
    expect(old).toMatchObject({matches: [], evidence: {abstain: true, reason: 'empty'}})
  })

  test('search takes the vector on the command line too, and names a line that holds none', async () => {
    await fill()
    const bank = ['--bank', folder.join('bank'), '--k', '1', '--json']
    const inline = await MemorySearch.run(['--vector', JSON.stringify([...(vectors[3] as Float32Array)]), ...bank], {
      root,
    })
    expect(inline).toMatchObject({matches: [{id: 'p3'}]})
    await MemorySearch.run(['--vector', '{"kind":"quote"}', ...bank], {root})
    expect(process.exitCode).toBe(6)
    expect(JSON.parse(out.slice(out.indexOf('{\n  "error"')))).toMatchObject({error: {code: 'QUERY_INVALID'}})
  })

  test('search counts what an answer rests on as used, unless it only peeks', async () => {
    const near = (i: number) => ({vector: [...nearSample(createRng(i), vectors[0] as Float32Array, 0.2)]})
    // Hours apart, so that their outcomes are three pieces of evidence.
    await fill([0, 1, 2].map(i => record(i, {tsUs: 1_000_000 + i * 3_600_000_000, ...near(i)})))
    const argv = ['--vector', JSON.stringify(near(9).vector), '--bank', folder.join('bank'), '--json']
    const uses = async () => {
      const stats = await MemoryStats.run(['--bank', folder.join('bank'), '--json'], {root})
      return [stats.byStrategy['market-making']?.uses, stats.searches, stats.hitRate]
    }
    expect(await MemorySearch.run([...argv, '--peek'], {root})).toMatchObject({
      ...{evidence: {abstain: false}, usable: expect.arrayContaining(['p0', 'p1', 'p2'])},
      matches: [{confidence: expect.any(Number), tier: 'hot'}, {}, {}],
    })
    expect(await uses()).toEqual([0, 0, 0])
    await MemorySearch.run(argv, {root})
    expect(await uses()).toEqual([3, 1, 1])
    await MemorySearch.run([...argv, '--as-of', '7'], {root})
    expect(await uses()).toEqual([3, 2, 0.5])
  })

  test.each([
    ['[1, 2]\n', 'VECTOR_INVALID', 'line 1: the vector of the query must have 256 numbers, had 2'],
    ['\n{"a":\n', 'QUERY_INVALID', /line 2 is not JSON$/],
    ['{"vector":[1,null]}\n', 'QUERY_INVALID', /line 1 is neither$/],
    ['', 'QUERY_INVALID', /held none$/],
  ])('search names what is wrong with the query %j', async (text, code, message) => {
    await fill()
    writeFileSync(folder.join('query'), text)
    await MemorySearch.run(['--vector', folder.join('query'), '--bank', folder.join('bank'), '--json'], {root})
    expect(process.exitCode).toBe(6)
    const message_ = typeof message === 'string' ? message : expect.stringMatching(message)
    expect(JSON.parse(out)).toMatchObject({error: {code, message: message_}})
  })

  test('several queries stream one result a line', async () => {
    await fill()
    await MemorySearch.run(['--vector', folder.join('patterns.ndjson'), '--bank', folder.join('bank'), '--k', '1'], {
      root,
    })
    const lines = out.trim().split('\n')
    expect(lines).toHaveLength(30)
    expect(JSON.parse(lines[7] as string).matches[0].id).toBe('p7')
  })

  test('stats reports every key scripts rely on, with searches over the life of the bank', async () => {
    await fill()
    await MemorySearch.run(
      ['--vector', folder.join('patterns.ndjson'), '--bank', folder.join('bank'), '--k', '1', '--quiet'],
      {root},
    )
    const stats = await MemoryStats.run(['--bank', folder.join('bank'), '--json'], {root})
    expect(stats).toMatchObject({
      ...{count: 30, capacity: 10_000, dimension: 256, index: 'exact', searches: 30, hitRate: 0},
      byStrategy: {'market-making': {count: 30, uses: 0, meanBps: 14.5}},
      ...{calibration: null, store: 'sqlite'},
    })
    expect(stats.bytes).toBeGreaterThan(30 * 1024)
  })

  test('prune --dry-run explains each eviction and changes nothing', async () => {
    await fill()
    const argv = ['--bank', folder.join('bank'), '--capacity', '20', '--cold-capacity', '4', '--json']
    const plan = await MemoryPrune.run([...argv, '--dry-run'], {root})
    expect(plan).toMatchObject({dryRun: true, evicted: 6, demoted: 4, promoted: 0, count: 30})
    expect(plan.decisions.filter(({action}) => action === 'evict').map(({id}) => id)).toEqual([
      'p5',
      'p4',
      'p3',
      'p2',
      'p1',
      'p0',
    ])
    for (const {detail} of plan.decisions) expect(detail).toMatch(/^place \d+ of 30 by lower bound/)
    expect(plan.meanBpsAfter).toBeGreaterThan(plan.meanBpsBefore)
    const done = await MemoryPrune.run(argv, {root})
    expect(done).toMatchObject({dryRun: false, decisions: plan.decisions})
    expect(await MemoryStats.run(['--bank', folder.join('bank'), '--json'], {root})).toMatchObject({
      ...{count: 24, hot: 20, cold: 4},
    })
  })

  test('prune keeps as many cold patterns as the configuration says', async () => {
    await fill()
    writeFileSync(folder.join('config.json'), JSON.stringify({memory: {capacity: 20, coldCapacity: 3}}))
    const plan = await MemoryPrune.run(
      ['--bank', folder.join('bank'), '--config', folder.join('config.json'), '--dry-run', '--json'],
      {root},
    )
    expect(plan).toMatchObject({demoted: 3, evicted: 7})
  })

  test('export into a named pipe writes to it and leaves it a pipe', async () => {
    await fill([record(0), record(1)])
    const pipe = folder.join('pipe')
    execFileSync('mkfifo', [pipe])
    const reading = text(createReadStream(pipe))
    expect(await MemoryExport.run(['--bank', folder.join('bank'), '--out', pipe, '--json'], {root})).toMatchObject({
      exported: 2,
    })
    expect((await reading).trim().split('\n')).toHaveLength(2)
    expect(statSync(pipe).isFIFO()).toBe(true)
  })

  test.each(['bank.parquet', 'bank.ndjson'])('export to %s and import give the same bank', async name => {
    await fill([...vectors.map((_, i) => record(i)).slice(0, 5), record(7, {outcome: {pnlBps: null}})])
    const file = folder.join(name)
    expect(await MemoryExport.run(['--bank', folder.join('bank'), '--out', file, '--json'], {root})).toEqual({
      ...{exported: 6, out: file},
    })
    await MemoryImport.run(['--bank', folder.join('copy'), '--from', file, '--json'], {root})
    const dump = async (bank: string): Promise<string> => {
      out = ''
      await MemoryExport.run(['--bank', folder.join(bank), '--quiet'], {root})
      return out
    }
    const original = await dump('bank')
    expect(original.trim().split('\n')).toHaveLength(6)
    expect(await dump('copy')).toBe(original)
    expect(readdirSync(folder.path).filter(file => file.endsWith('.tmp'))).toEqual([])
  })

  test('rebuild writes the index and calibrates; verify finds a damaged one and exits 6', async () => {
    await fill()
    expect(await MemoryRebuild.run(['--bank', folder.join('bank'), '--json'], {root})).toMatchObject({
      ...{count: 30, index: 'exact', notices: [], calibration: {method: 'chance'}},
    })
    const verify = () => MemoryVerify.run(['--bank', folder.join('bank'), '--json'], {root})
    expect(await verify()).toEqual({sound: true, patterns: 30, observations: 30, problems: [], repaired: []})
    expect(process.exitCode ?? 0).toBe(0)
    writeFileSync(folder.join('bank', 'index.bin'), 'nonsense')
    expect(await verify()).toMatchObject({sound: false, repaired: [expect.stringContaining('was rebuilt')]})
    expect(process.exitCode).toBe(6)
    expect(words).toMatch(/^warning the index .* is damaged/m)
  })

  test.each(['missing.parquet', 'missing.ndjson'])('makes no bank where there is nothing to read: %s', async from => {
    const bank = folder.join('new-bank')
    await MemoryImport.run(['--from', folder.join(from), '--bank', bank, '--json'], {root})
    expect(process.exitCode).toBe(2)
    expect(JSON.parse(out)).toMatchObject({error: {code: 'FILE_NOT_FOUND'}})
    expect(existsSync(bank)).toBe(false)
  })

  test.each([
    [MemorySearch, ['--vector', 'missing.json', '--bank', '.'], 'FILE_NOT_FOUND'],
    [MemoryStats, ['--bank', 'no-such-bank'], 'BANK_NOT_FOUND'],
    [MemoryAdd, ['--from', 'package.json', '--horizon', 'soon'], 'DURATION_INVALID'],
    [MemoryPrune, ['--bank', '.', '--as-of', 'then'], 'TIME_INVALID'],
  ] as const)('%o %j is refused as %s with exit code 2', async (command, argv, code) => {
    const bankless = argv.map(part => (part === '.' ? folder.path : part))
    await (command as typeof MemoryAdd).run([...bankless, '--json'], {root})
    expect(process.exitCode).toBe(2)
    expect(JSON.parse(out)).toMatchObject({error: {code}})
    expect(existsSync('no-such-bank')).toBe(false)
  })
})
