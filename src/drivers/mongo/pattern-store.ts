import {
  type AnyBulkWriteOperation,
  Binary,
  type Collection,
  type Filter,
  MongoClient,
  type MongoClientOptions,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import {ExitCode, UserError} from '../../domain/errors.ts'
import type {Observation, PatternWrite, StoredPattern, Tier} from '../../memory/pattern.ts'
import {patternChecksum, vectorBytes, vectorOfBytes} from '../../memory/pattern-checksum.ts'
import type {ChangeBatch, PatternStore, StoreReport} from '../../memory/pattern-store.ts'

export interface MongoOptions {
  readonly url: string
  /** Holds the collections; the database of the URL without it. */
  readonly database?: string
  readonly connectTimeoutMs?: number
}

interface PatternDocument {
  readonly _id: string
  readonly symbol: string
  readonly strategy: string
  readonly regime: string
  readonly tsUs: number
  /** 256 float32, little-endian. */
  readonly vector: Binary
  readonly checksum: number
  readonly observations: Observation[]
  readonly tier: Tier
  readonly lastUseUs: number
  readonly uses: number
  readonly revision: number
}
interface RemovalDocument {
  readonly _id: string
  readonly revision: number
}
interface MetaDocument {
  readonly _id: string
  readonly count?: number
  readonly text?: string
  /** Of the revision: writers that have taken a number and are not done. */
  readonly pending?: number
}

const BATCH = 1_000
/** A writer that fell this many revisions behind, or died, is no longer waited for. */
const PATIENCE = 1_000

interface PageOrder {
  readonly sort: Readonly<Record<string, 1>>
  /** What comes behind this document. */
  readonly after: (last: PatternDocument) => Filter<PatternDocument>
}
const BY_ID: PageOrder = {sort: {_id: 1}, after: ({_id}) => ({_id: {$gt: _id}})}
/** A document that changes in between moves behind, and comes again as it then is. */
const BY_REVISION: PageOrder = {
  sort: {revision: 1, _id: 1},
  after: ({revision, _id}) => ({$or: [{revision, _id: {$gt: _id}}, {revision: {$gt: revision}}]}),
}

/**
 * Patterns in MongoDB: collections `patterns`, `pattern-removals` and `pattern-meta`. Works on a single server: every
 * write is one idempotent update of one document, acknowledged by a majority's journal. Throws UserError naming the
 * server when it cannot be reached.
 */
export const openMongoPatternStore = async (options: MongoOptions): Promise<PatternStore> => {
  const {url, database, connectTimeoutMs = 5_000} = options
  const client = clientOf(url, {
    serverSelectionTimeoutMS: connectTimeoutMs,
    writeConcern: {w: 'majority', journal: true},
    readConcern: {level: 'majority'},
  })
  try {
    await client.connect()
    const store = new MongoPatternStore(client, database, hostOf(url))
    await store.prepare()
    return store
  } catch (error) {
    await client.close()
    throw new UserError('MONGODB_UNREACHABLE', `cannot use MongoDB at ${hostOf(url)}: ${(error as Error).message}`, {
      hints: ['check MONGODB_URL and that the server runs', 'or set memory.store to "sqlite"'],
      cause: error,
    })
  }
}

/** The client reads the URL at once; that of its complaint may hold a password and is not repeated. */
const clientOf = (url: string, options: MongoClientOptions): MongoClient => {
  try {
    return new MongoClient(url, options)
  } catch (error) {
    throw new UserError('MONGODB_URL_INVALID', 'MONGODB_URL is not a MongoDB connection string', {
      hints: [
        'mongodb://USER:PASSWORD@HOST:27017/DATABASE, special characters of the password as %40 and so on',
        'or set memory.store to "sqlite"',
      ],
      cause: error,
    })
  }
}

/** The URL without user and password. */
const hostOf = (url: string): string => url.replace(/^(mongodb(?:\+srv)?:\/\/)[^/]*@/, '$1')

/** What the client's own repetition could not mend, as a UserError that names the server. Other errors pass as they are. */
const explained = async <T>(host: string, run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) {
      throw new UserError('MONGODB_UNREACHABLE', `lost MongoDB at ${host}: ${error.message}`, {
        hints: ['check that the server runs; what was not written is kept and written with the next flush'],
        exitCode: ExitCode.failure,
        cause: error,
      })
    }
    if (!(error instanceof MongoServerError)) throw error
    throw new UserError('MONGODB_REFUSED', `MongoDB at ${host} refused a write: ${error.message}`, {
      hints: ['check the server: its disk, its user rights, whether it is a primary'],
      exitCode: ExitCode.failure,
      cause: error,
    })
  }
}

class MongoPatternStore implements PatternStore {
  readonly kind = 'mongodb'
  readonly #client: MongoClient
  readonly #patterns: Collection<PatternDocument>
  readonly #removals: Collection<RemovalDocument>
  readonly #meta: Collection<MetaDocument>

  readonly #host: string

  constructor(client: MongoClient, database: string | undefined, host: string) {
    this.#host = host
    const db = client.db(database)
    this.#client = client
    this.#patterns = db.collection('patterns')
    this.#removals = db.collection('pattern-removals')
    this.#meta = db.collection('pattern-meta')
  }

  async prepare(): Promise<void> {
    await this.#patterns.createIndex({revision: 1, _id: 1})
    await this.#removals.createIndex({revision: 1})
  }

  readonly apply = async (writes: readonly PatternWrite[]): Promise<number> => {
    if (writes.length === 0) return this.revision()
    return explained(this.#host, () => this.#write(writes))
  }

  async #write(writes: readonly PatternWrite[]): Promise<number> {
    const started = await this.#meta.findOneAndUpdate(
      {_id: 'revision'},
      {$inc: {count: 1, pending: 1}},
      {upsert: true, returnDocument: 'after'},
    )
    const revision = Number(started?.count)
    // Removals first: a reader that sees a pattern gone must be able to see why.
    for (const run of runsOf(writes)) await this.#applyRun(run, revision)
    await this.#meta.updateOne({_id: 'revision'}, {$inc: {pending: -1}})
    return revision
  }

  readonly revision = async (): Promise<number> => Number((await this.#meta.findOne({_id: 'revision'}))?.count ?? 0)

  async *changesSince(since: number): AsyncGenerator<ChangeBatch> {
    const reached = await this.#settledRevision(since)
    const gone = await this.#removals
      .find({revision: {$gt: since}})
      .sort({_id: 1})
      .toArray()
    let removed = gone.map(({_id}) => _id)
    for await (const page of this.#pages({revision: {$gt: since}}, BY_REVISION)) {
      yield {revision: reached, changed: page.map(patternOf), removed}
      removed = []
    }
  }

  /**
   * Pages that each begin after the last one's end. A cursor held open instead would be gone when a reader takes its time
   * (the server ends it after ten minutes) or when the server changes in between; a page is one request, sent again if lost.
   * There is always one, if only an empty one.
   */
  async *#pages(first: Filter<PatternDocument>, {sort, after}: PageOrder): AsyncGenerator<PatternDocument[]> {
    for (let filter = first; ; ) {
      const page = await this.#patterns.find(filter).sort(sort).limit(BATCH).batchSize(BATCH).toArray()
      yield page
      const last = page.at(-1)
      if (last === undefined || page.length < BATCH) return
      filter = after(last)
    }
  }

  readonly count = (): Promise<number> => this.#patterns.countDocuments({})

  readonly verify = async (): Promise<StoreReport> => {
    const problems: string[] = []
    let [patterns, observations] = [0, 0]
    for await (const page of this.#pages({}, BY_ID)) {
      patterns += page.length
      for (const document of page) {
        observations += document.observations.length
        if (patternChecksum(patternOf(document)) === document.checksum) continue
        problems.push(`pattern ${document._id} does not match its checksum`)
      }
    }
    return {patterns, observations, problems}
  }

  readonly getMeta = async (name: string): Promise<string | undefined> => {
    const document = await this.#meta.findOne({_id: `user:${name}`})
    return document?.text
  }

  readonly setMeta = async (name: string, value: string): Promise<void> => {
    await this.#meta.updateOne({_id: `user:${name}`}, {$set: {text: value}}, {upsert: true})
  }

  readonly increment = async (name: string, by: number): Promise<number> => {
    const document = await this.#meta.findOneAndUpdate(
      {_id: `counter:${name}`},
      {$inc: {count: by}},
      {upsert: true, returnDocument: 'after'},
    )
    return Number(document?.count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close()
  }

  /**
   * Up to where everything is written. While writers are busy a reader goes no further than before, and so reads their
   * documents again; numbers alone would let it pass a writer that is slower than the next one.
   */
  async #settledRevision(since: number): Promise<number> {
    const document = await this.#meta.findOne({_id: 'revision'})
    const value = document?.count ?? 0
    return (document?.pending ?? 0) > 0 ? Math.max(since, value - PATIENCE) : value
  }

  async #applyRun(run: Run, revision: number): Promise<void> {
    if (run.kind === 'remove') {
      const upserts = run.ids.map(id => ({
        updateOne: {filter: {_id: id}, update: {$set: {revision}}, upsert: true},
      }))
      await this.#removals.bulkWrite(upserts)
      await this.#patterns.deleteMany({_id: {$in: [...run.ids]}})
      return
    }
    const added = run.writes.flatMap(write => (write.op === 'add' ? [write.pattern.id] : []))
    await this.#patterns.bulkWrite(run.writes.flatMap(write => operationsOf(write, revision)))
    if (added.length > 0) await this.#removals.deleteMany({_id: {$in: added}})
  }
}

type Kept = Exclude<PatternWrite, {op: 'remove'}>
type Run = {readonly kind: 'keep'; readonly writes: Kept[]} | {readonly kind: 'remove'; readonly ids: string[]}

/** The writes in order, cut where keeping and removing alternate, so that each piece is one request. */
const runsOf = (writes: readonly PatternWrite[]): Run[] => {
  const runs: Run[] = []
  for (const write of writes) {
    const last = runs.at(-1)
    if (write.op === 'remove') {
      if (last?.kind === 'remove') last.ids.push(write.id)
      else runs.push({kind: 'remove', ids: [write.id]})
    } else if (last?.kind === 'keep') last.writes.push(write)
    else runs.push({kind: 'keep', writes: [write]})
  }
  return runs
}

const operationsOf = (write: Kept, revision: number): AnyBulkWriteOperation<PatternDocument>[] => {
  switch (write.op) {
    case 'add': {
      const {id: _id, vector, observations, ...rest} = write.pattern
      const document = {
        ...{...rest, vector: new Binary(vectorBytes(vector).slice())},
        ...{checksum: patternChecksum(write.pattern), observations: [...observations]},
      }
      return [
        {updateOne: {filter: {_id}, update: {$setOnInsert: document, $set: {revision}}, upsert: true}},
        ...observations.map(observation => observe(_id, observation, revision)),
      ]
    }
    case 'outcome':
      return [observe(write.id, write.observation, revision)]
    case 'use': {
      const update = {$max: {lastUseUs: write.atUs}, $inc: {uses: write.count ?? 1}, $set: {revision}}
      return [{updateOne: {filter: {_id: write.id}, update}}]
    }
    case 'tier':
      return [{updateOne: {filter: {_id: write.id}, update: {$set: {tier: write.tier, revision}}}}]
    default:
      return write satisfies never
  }
}

/** The filter leaves a document alone that has the time stamp already. */
const observe = (id: string, observation: Observation, revision: number): AnyBulkWriteOperation<PatternDocument> => ({
  updateOne: {
    filter: {_id: id, 'observations.atUs': {$ne: observation.atUs}},
    update: {$push: {observations: {$each: [observation], $sort: {atUs: 1}}}, $set: {revision}},
  },
})

const patternOf = (document: PatternDocument): StoredPattern => {
  const {_id: id, symbol, strategy, regime, tsUs, vector, observations, tier, lastUseUs, uses} = document
  return {
    ...{id, symbol, strategy, regime, tsUs, vector: vectorOfBytes(vector.value())},
    ...{observations: observations.map(({atUs, pnlBps}) => ({atUs, pnlBps})), tier, lastUseUs, uses},
  }
}
