import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {afterAll, describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {openMemory} from '../../src/core/memory.ts'
import {createRng} from '../../src/domain/rng.ts'
import {loadFaissDriver} from '../../src/drivers/faiss/faiss-index.ts'
import {loadUsearchDriver} from '../../src/drivers/usearch/usearch-index.ts'
import {aPattern, unitSample} from '../support/patterns.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'gpi-memory-'))
afterAll(() => rmSync(folder, {recursive: true}))

const config = Config.parse({})
const [usearch, faiss] = [await loadUsearchDriver(), await loadFaissDriver('ivf-hnsw')]
let banks = 0

const aBank = async (count = 200): Promise<string> => {
  const directory = path.join(folder, `bank-${banks++}`)
  await using memory = await openMemory({config, directory})
  const rng = createRng(1)
  for (let i = 0; i < count; i++) {
    memory.bank.add(aPattern({id: `p${i}`, vector: unitSample(rng), observations: [{atUs: 2_000, pnlBps: i}]}))
  }
  await memory.flush()
  memory.saveIndex()
  return directory
}

/** Ids and similarities of a search, from a bank opened anew. */
const searched = async (directory: string) => {
  await using memory = await openMemory({config, directory})
  const {matches} = memory.bank.search(unitSample(createRng(9)), {asOfUs: 5_000, k: 20})
  return {matches, notices: memory.notices, count: memory.bank.count}
}

const overwrite = (file: string, at: number, bytes: number): void => {
  const content = readFileSync(file)
  content.fill(0x5a, at, at + bytes)
  writeFileSync(file, content)
}

describe('a bank on disk', () => {
  test('is the same bank after it was closed, with the saved index and without it', async () => {
    const directory = await aBank()
    const first = await searched(directory)
    expect(first).toMatchObject({notices: [], count: 200})
    rmSync(path.join(directory, 'index.bin'))
    expect(await searched(directory)).toEqual(first)
  })

  test('opening a large one ends when it is told to stop', async () => {
    const directory = await aBank(1_500)
    const stop = new AbortController()
    // As Ctrl-C does, while the documents are being read.
    setImmediate(() => stop.abort('SIGINT'))
    await expect(openMemory({config, directory, signal: stop.signal})).rejects.toBe('SIGINT')
  })

  test('a saved index that is older than the documents is brought up to date', async () => {
    const directory = await aBank()
    {
      await using memory = await openMemory({config, directory})
      memory.bank.remove('p7')
      memory.bank.remove('p8')
      memory.bank.add(aPattern({id: 'p8', vector: unitSample(createRng(77)), observations: [{atUs: 2_000, pnlBps: 1}]}))
      memory.bank.setTier('p9', 'cold')
      memory.bank.add(aPattern({id: 'new', vector: unitSample(createRng(9)), observations: [{atUs: 2_000, pnlBps: 1}]}))
    }
    const withIndex = await searched(directory)
    rmSync(path.join(directory, 'index.bin'))
    expect((await searched(directory)).matches).toEqual(withIndex.matches)
    expect(withIndex.matches[0]?.id).toBe('new')
  })

  test.each([
    ['a flipped byte', (file: string) => overwrite(file, 40_000, 1)],
    ['a cut end', (file: string) => truncateSync(file, 1_000)],
    ['an empty file', (file: string) => truncateSync(file, 0)],
    ['something else', (file: string) => writeFileSync(file, 'hello')],
  ])('detects an index with %s and rebuilds it', async (_, damage) => {
    const directory = await aBank()
    const before = await searched(directory)
    damage(path.join(directory, 'index.bin'))
    const after = await searched(directory)
    expect(after.notices).toEqual([expect.stringMatching(/^the index .* is damaged .*rebuilt from the documents$/)])
    expect(after.matches).toEqual(before.matches)
  })

  test('rebuilds an index that another version of gpi saved, and does not call it damaged', async () => {
    const directory = await aBank()
    const before = await searched(directory)
    const file = path.join(directory, 'index.bin')
    writeFileSync(file, Buffer.concat([Buffer.from('gpi-index-2\n'), readFileSync(file).subarray(12)]))
    const after = await searched(directory)
    expect(after.notices).toEqual([expect.stringMatching(/^the index .* is of another version of gpi; it was rebuilt/)])
    expect(after.matches).toEqual(before.matches)
  })

  test('moves a store that is not a database aside, and says so', async () => {
    const directory = await aBank()
    overwrite(path.join(directory, 'patterns.db'), 0, 100)
    const {notices, count} = await searched(directory)
    expect(notices[0]).toMatch(/patterns\.db is damaged \(file is not a database\)/)
    expect(notices[1]).toMatch(/moved to .*quarantine\/patterns-1\.db; 0 patterns/)
    expect(count).toBe(0)
    expect(statSync(path.join(directory, 'quarantine/patterns-1.db')).size).toBeGreaterThan(100)
    expect((await searched(directory)).notices).toEqual([])
  })

  test('carries over all but the documents in a damaged part', async () => {
    const directory = await aBank()
    const file = path.join(directory, 'patterns.db')
    const middle = Math.floor(statSync(file).size / 2 / 4096) * 4096
    overwrite(file, middle, 4096)
    const {notices, count} = await searched(directory)
    expect(notices).toHaveLength(2)
    expect(count).toBeGreaterThan(150)
    expect(count).toBeLessThan(200)
    await using memory = await openMemory({config, directory})
    expect((await memory.store.verify()).problems).toEqual([])
  })

  test('carries over what lies between two damaged parts', async () => {
    const directory = await aBank(600)
    const file = path.join(directory, 'patterns.db')
    const pages = Math.floor(statSync(file).size / 4096)
    for (const share of [0.25, 0.75]) overwrite(file, Math.floor(share * pages) * 4096, 4096)
    expect((await searched(directory)).count).toBeGreaterThan(500)
  })

  test('counts no outcome that does not match its checksum', async () => {
    const directory = await aBank()
    const db = new DatabaseSync(path.join(directory, 'patterns.db'))
    db.exec(`UPDATE observation SET pnl_bps = 1e9 WHERE seq = (SELECT seq FROM pattern WHERE id = 'p5')`)
    db.close()
    const {notices, count} = await searched(directory)
    expect(notices[0]).toContain('an outcome of pattern p5 does not match its checksum')
    expect(count).toBe(200)
    await using memory = await openMemory({config, directory})
    expect(memory.bank.get('p5')?.observations).toEqual([])
  })

  test('says that the store was emptied behind the index, once', async () => {
    const directory = await aBank()
    truncateSync(path.join(directory, 'patterns.db'), 0)
    const {notices, count} = await searched(directory)
    expect(notices).toEqual([expect.stringMatching(/knows 1 changes, the documents only 0: the store was emptied/)])
    expect(count).toBe(0)
    expect((await searched(directory)).notices).toEqual([])
  })

  test('a rebuild finds damage that no document tells of', async () => {
    const directory = await aBank()
    const db = new DatabaseSync(path.join(directory, 'patterns.db'))
    db.exec(`INSERT INTO observation VALUES (100000, 1, 1, 1)`)
    db.close()
    expect((await searched(directory)).notices).toEqual([])
    {
      await using memory = await openMemory({config, directory, rebuild: true})
      expect(memory.notices[0]).toContain('an outcome belongs to no pattern')
      expect(memory.bank.count).toBe(200)
    }
    await using memory = await openMemory({config, directory})
    expect((await memory.store.verify()).problems).toEqual([])
  })

  test('goes on without a calibration that cannot be read', async () => {
    const directory = await aBank()
    {
      await using memory = await openMemory({config, directory})
      await memory.store.setMeta('calibration', '{oops')
    }
    const {notices, count} = await searched(directory)
    expect(notices).toEqual([expect.stringMatching(/calibration of the bank is damaged/)])
    expect(count).toBe(200)
  })

  test('drops a document whose content no longer matches its checksum, and keeps the damaged store', async () => {
    const directory = await aBank()
    const db = new DatabaseSync(path.join(directory, 'patterns.db'))
    db.exec(`UPDATE pattern SET symbol = 'XXX' WHERE id = 'p5'`)
    db.close()
    const {notices, count} = await searched(directory)
    expect(notices[0]).toContain('pattern p5 does not match its checksum')
    expect(count).toBe(199)
    expect(existsSync(path.join(directory, 'quarantine/patterns-1.db'))).toBe(true)
    expect(readdirSync(directory)).toContain('patterns.db')
  })

  test.each([
    ['usearch', usearch],
    ['faiss', faiss],
  ] as const)('keeps a saved %s index, and another kind starts afresh', async (name, driver) => {
    if (driver === undefined) {
      await expect(
        openMemory({config: Config.parse({memory: {index: name}}), directory: folder}),
      ).rejects.toMatchObject({
        code: 'INDEX_NOT_INSTALLED',
      })
      return
    }
    const directory = await aBank(1_000)
    const exact = await searched(directory)
    const other = Config.parse({memory: {index: name}})
    for (const rebuild of [true, false]) {
      await using memory = await openMemory({config: other, directory, rebuild})
      const {matches} = memory.bank.search(unitSample(createRng(9)), {asOfUs: 5_000, k: 5})
      expect(matches[0]).toEqual(exact.matches[0])
      expect(memory.stats().index).toMatch(name)
      memory.saveIndex()
    }
    expect(await searched(directory)).toEqual(exact)
  })

  test('keeps its calibration and counts searches over its whole life', async () => {
    const directory = await aBank()
    {
      await using memory = await openMemory({config, directory})
      expect(memory.calibration).toBeUndefined()
      await memory.calibrate(5_000)
      memory.bank.search(unitSample(createRng(9)), {asOfUs: 5_000})
      expect(memory.stats().searches).toBe(1)
      await memory.countSearches()
      await memory.countSearches()
      expect(memory.stats().searches).toBe(1)
    }
    await using memory = await openMemory({config, directory})
    expect(memory.calibration).toMatchObject({method: 'chance', samples: 0})
    expect(memory.stats()).toMatchObject({searches: 1, hitRate: 0})
  })

  test('says what is in the way of opening it', async () => {
    const blocked = path.join(folder, 'blocked')
    mkdirSync(path.join(blocked, 'patterns.db'), {recursive: true})
    await expect(openMemory({config, directory: blocked})).rejects.toMatchObject({code: 'STORE_UNREADABLE'})
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    await expect(openMemory({config, directory: file})).rejects.toMatchObject({code: 'BANK_NOT_A_FOLDER'})
  })

  test('a process whose store was moved away refuses to write, rather than into nothing', async () => {
    const directory = await aBank(5)
    await using memory = await openMemory({config, directory})
    renameSync(path.join(directory, 'patterns.db'), path.join(directory, 'elsewhere.db'))
    memory.bank.recordOutcome('p1', 1, 9_000)
    await expect(memory.flush()).rejects.toMatchObject({code: 'STORE_MOVED'})
    renameSync(path.join(directory, 'elsewhere.db'), path.join(directory, 'patterns.db'))
    await memory.flush()
    expect((await memory.store.verify()).observations).toBe(6)
  })

  test('names MongoDB when it is configured without a URL', async () => {
    const mongo = Config.parse({memory: {store: 'mongodb'}})
    await expect(openMemory({config: mongo, directory: folder, environment: {}})).rejects.toMatchObject({
      code: 'MONGODB_URL_MISSING',
    })
  })
})
