import {randomUUID} from 'node:crypto'
import process from 'node:process'
import {MongoClient} from 'mongodb'
import {afterAll, describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {openMongoPatternStore} from '../../../src/drivers/mongo/pattern-store.ts'
import {createExactIndex} from '../../../src/memory/exact-index.ts'
import type {PatternStore} from '../../../src/memory/pattern-store.ts'
import {openSharedBank} from '../../../src/memory/shared-bank.ts'
import {describesPatternStore} from '../../contract/pattern-store.ts'
import {type MongoDouble, startMongoDouble} from '../../support/mongo-double.ts'
import {aStoredPattern, unitSample} from '../../support/patterns.ts'
import {freePort} from '../../support/redis-server.ts'

const realUrl = process.env['MONGODB_URL']

describe.skipIf(realUrl === undefined)('MongoDB at MONGODB_URL', () => {
  const names: string[] = []
  const nameOf = new WeakMap<PatternStore, string>()
  const open = async (): Promise<PatternStore> => {
    const database = `gpi-test-${randomUUID()}`
    names.push(database)
    const store = await openMongoPatternStore({url: realUrl as string, database})
    nameOf.set(store, database)
    return store
  }
  afterAll(async () => {
    await using client = new MongoClient(realUrl as string)
    for (const name of names) await client.db(name).dropDatabase()
  })
  describesPatternStore(open, store =>
    openMongoPatternStore({url: realUrl as string, database: nameOf.get(store) as string}),
  )
})

describe('MongoDB over the wire, against a double', () => {
  const doubles: MongoDouble[] = []
  const urlOf = new WeakMap<PatternStore, string>()
  const open = async (): Promise<PatternStore> => {
    const double = await startMongoDouble()
    doubles.push(double)
    const store = await openMongoPatternStore({url: double.url})
    urlOf.set(store, double.url)
    return store
  }
  afterAll(async () => {
    for (const double of doubles) await double[Symbol.asyncDispose]()
  })
  describesPatternStore(open, store => openMongoPatternStore({url: urlOf.get(store) as string}))

  const pattern = aStoredPattern({vector: unitSample(createRng(1))})

  test('a reader waits for a writer that has its revision but is not done', async () => {
    await using double = await startMongoDouble()
    await using store = await openMongoPatternStore({url: double.url})
    await using other = await openMongoPatternStore({url: double.url})
    await store.apply([{op: 'add', pattern}])
    // A writer that died between taking a number and finishing.
    await using client = new MongoClient(double.url)
    await client
      .db()
      .collection<{_id: string}>('pattern-meta')
      .updateOne({_id: 'revision'}, {$inc: {count: 1, pending: 1}})
    const seen: number[] = []
    for await (const {revision} of other.changesSince(1)) seen.push(revision)
    expect(seen).toEqual([1])
  })

  test('a bank whose connection is lost says so, keeps what it could not write, and writes it next time', async () => {
    await using double = await startMongoDouble()
    await using shared = await openSharedBank(await openMongoPatternStore({url: double.url}), {
      index: createExactIndex(256),
    })
    shared.bank.add(pattern)
    await shared.flush()
    double.drop()
    shared.bank.recordOutcome('p1', 5, 2_000)
    await expect(shared.flush()).rejects.toThrow()
    await shared.flush()
    expect(await shared.store.verify()).toEqual({patterns: 1, observations: 1, problems: []})
  })

  test.each(['update', 'findAndModify'])(
    'a %s whose answer is lost is sent again by its number, and counts once',
    async command => {
      await using double = await startMongoDouble({replicaSet: true})
      await using shared = await openSharedBank(await openMongoPatternStore({url: double.url}), {
        index: createExactIndex(256),
      })
      shared.bank.add(pattern)
      await shared.flush()
      shared.bank.recordUse(['p1'], 3_000)
      double.dropAnswerTo(command)
      await shared.flush()
      const documents = []
      for await (const {changed} of shared.store.changesSince(0)) documents.push(...changed)
      expect(documents).toMatchObject([{id: 'p1', uses: 1, lastUseUs: 3_000}])
      expect(await shared.store.revision()).toBe(2)
    },
  )

  test('a primary that steps down in the middle is asked again', async () => {
    await using double = await startMongoDouble({replicaSet: true})
    await using store = await openMongoPatternStore({url: double.url})
    const error = {code: 189, codeName: 'PrimarySteppedDown', errorLabels: ['RetryableWriteError']}
    double.failOnce('update', error)
    await store.apply([{op: 'add', pattern}])
    expect(await store.count()).toBe(1)
  })

  test('a slow reader outlives cursors and connections, and gets every document once', async () => {
    await using double = await startMongoDouble()
    await using store = await openMongoPatternStore({url: double.url})
    const rng = createRng(2)
    const many = Array.from({length: 2_500}, (_, i) => ({...pattern, id: `p${i}`, vector: unitSample(rng)}))
    await store.apply(many.slice(0, 1_700).map(added => ({op: 'add', pattern: added})))
    await store.apply(many.slice(1_700).map(added => ({op: 'add', pattern: added})))
    const seen: string[] = []
    for await (const {changed} of store.changesSince(0)) {
      seen.push(...changed.map(({id}) => id))
      double.expireCursors()
      if (seen.length === 1_000) double.drop()
    }
    expect(seen.length).toBe(2_500)
    expect(new Set(seen).size).toBe(2_500)
    expect(await store.verify()).toEqual({patterns: 2_500, observations: 0, problems: []})
    const later: string[] = []
    for await (const {changed} of store.changesSince(1)) later.push(...changed.map(({id}) => id))
    expect(new Set(later)).toEqual(new Set(many.slice(1_700).map(({id}) => id)))
  })

  test('the double ends a cursor that it forgot, as a server does', async () => {
    await using double = await startMongoDouble()
    await using client = new MongoClient(double.url)
    const notes = client.db().collection('notes')
    await notes.bulkWrite(
      Array.from({length: 9}, (_, n) => ({updateOne: {filter: {n}, update: {$set: {n}}, upsert: true}})),
    )
    const cursor = notes.find({}).batchSize(4)
    await cursor.next()
    double.expireCursors()
    await expect(cursor.toArray()).rejects.toMatchObject({code: 43})
  })

  test('a server that refuses is named, with what to do', async () => {
    await using double = await startMongoDouble()
    await using store = await openMongoPatternStore({url: double.url})
    double.failOnce('update', {code: 14_031, codeName: 'OutOfDiskSpace'})
    await expect(store.apply([{op: 'add', pattern}])).rejects.toMatchObject({
      ...{name: 'UserError', code: 'MONGODB_REFUSED', message: expect.stringContaining('OutOfDiskSpace')},
    })
    await store.apply([{op: 'add', pattern}])
    expect(await store.count()).toBe(1)
  })

  test('asks for writes that a majority has in its journal', async () => {
    await using double = await startMongoDouble()
    await using store = await openMongoPatternStore({url: double.url})
    await store.apply([{op: 'add', pattern}])
    expect(double.commands).toContain('update')
    expect(double.writeConcerns.every(concern => concern === '{"w":"majority","j":true}')).toBe(true)
    expect(double.writeConcerns.length).toBeGreaterThan(1)
  })
})

test('names the server it cannot reach, without the password', async () => {
  const url = `mongodb://user:secret@127.0.0.1:${await freePort()}/gpi`
  await expect(openMongoPatternStore({url, connectTimeoutMs: 200})).rejects.toMatchObject({
    code: 'MONGODB_UNREACHABLE',
    message: expect.not.stringContaining('secret'),
  })
})

test.each(['garbage', 'mongodb://user:secret@127.0.0.1:99999/gpi', 'http://user:secret@127.0.0.1'])(
  'a connection string that is none is the user’s to mend: %s',
  async url => {
    await expect(openMongoPatternStore({url})).rejects.toMatchObject({
      ...{code: 'MONGODB_URL_INVALID', exitCode: 2},
      message: expect.not.stringContaining('secret'),
    })
  },
)
