import {BankColumns, type SearchFilters} from './bank-columns.ts'
import {countPatterns, type MemoryStats} from './bank-stats.ts'
import {ColdIndex} from './cold-index.ts'
import {type Evidence, type EvidenceOptions, evidenceOf, type Match} from './evidence.ts'
import {confidence, type OutcomeAssumptions, outcomeAsOf, withObservation} from './outcome.ts'
import {DIMENSION, type Observation, type PatternWrite, type StoredPattern, type Tier, unitVector} from './pattern.ts'
import {defaultPruneOptions, isExpired, judge, type PrunePlan} from './prune.ts'
import {TierRoom} from './tier-room.ts'
import type {Neighbour, Scope, VectorIndex} from './vector-index.ts'

export interface MemoryOptions extends EvidenceOptions, OutcomeAssumptions {
  /**
   * Patterns kept hot. What is beyond leaves over the additions and uses that follow, a little at each, so none of them waits
   * for a whole comparison: until then the bank may hold some more.
   */
  readonly capacity: number
  /** Patterns kept cold besides. */
  readonly coldCapacity: number
  readonly defaultK: number
}

export const defaultMemoryOptions: MemoryOptions = {
  capacity: 10_000,
  coldCapacity: defaultPruneOptions.coldCapacity,
  defaultK: 10,
  minSimilarity: 0.5,
  minEffectiveN: 2,
  halfLifeUs: 30 * 86_400_000_000,
  priorSdBps: 50,
  priorCount: 3,
  crossSymbol: 0,
}

/** A pattern to store; `observations` is what is already known of its outcome. */
export interface NewPattern {
  readonly id: string
  readonly symbol: string
  readonly strategy: string
  readonly regime: string
  readonly tsUs: number
  /** 256 numbers of any length but zero; stored as a unit vector. */
  readonly vector: ArrayLike<number>
  readonly observations?: readonly Observation[]
  /** Of a document that comes from another bank. */
  readonly tier?: Tier
  readonly lastUseUs?: number
  readonly uses?: number
}

export interface SearchRequest {
  /** Event time of asking: nothing that became known later is seen. */
  readonly asOfUs: number
  readonly k?: number
  readonly filters?: SearchFilters
  /** `auto` (the default) asks the cold tier only when the hot one leaves the question open. */
  readonly tiers?: 'auto' | 'hot' | 'all'
  /** How evidence is judged, where the asker knows better than the bank's own options. */
  readonly evidence?: Partial<EvidenceOptions>
}

export interface SearchResult {
  /** Most similar first. */
  readonly matches: readonly Match[]
  readonly evidence: Evidence
  /** Ids of the matches that counted as evidence: what `recordUse` takes when a decision rests on this answer. */
  readonly usable: readonly string[]
  readonly tookUs: number
}

export interface MemoryBankDeps {
  /** Empty, or holding exactly the vectors of `restoredKeys`; the bank fills and owns it. */
  readonly index: VectorIndex
  /** Keys that documents already have in the index, by id. Documents are then applied as usual, without indexing these again. */
  readonly restoredKeys?: ReadonlyMap<string, number>
  readonly options?: Partial<MemoryOptions>
  /** Microseconds of a running stopwatch, for `tookUs` only; without it searches report 0 and stay reproducible. */
  readonly elapsedUs?: () => number
}

/**
 * The pattern memory: embeddings with what happened next, searched by likeness as of a moment in event time. Everything
 * is synchronous and a pure function of the calls made, so a back-test and a trading node use the same object. Changes
 * collect in `takeWrites` for a store to make durable.
 *
 * Back-tests may share one: what a search sees depends on its `asOfUs` alone, so a run over one period learns from patterns
 * of any other run that were decided, and whose outcomes were known, before that moment of event time. Runs one after
 * another share the object; runs in threads or processes of their own open the same store (`openMemory`), see each other's
 * patterns after `refresh`, and must not be started from a changing bank where they are to be repeated bit for bit. Searches
 * change nothing; a decision says what it rested on with `recordUse`.
 */
export class MemoryBank implements Disposable {
  readonly options: MemoryOptions
  readonly #index: VectorIndex
  readonly #elapsedUs: () => number
  readonly #columns = new BankColumns()
  readonly #cold: ColdIndex
  readonly #documents = new Map<string, Entry>()
  readonly #byKey: (Entry | undefined)[] = []
  readonly #freeKeys: number[] = []
  readonly #restored: Map<string, number>
  readonly #rooms: Readonly<Record<Tier, TierRoom>> = {hot: new TierRoom(), cold: new TierRoom()}
  #writes: PatternWrite[] = []
  /** Uses since the last `takeWrites`, one write a pattern however often it was used. */
  #uses = new Map<string, {atUs: number; count: number}>()
  #searches = 0
  #coldSearches = 0
  #promoted = 0
  #answered = 0

  constructor({index, restoredKeys, options = {}, elapsedUs = () => 0}: MemoryBankDeps) {
    if (index.dimension !== DIMENSION) throw new RangeError(`the index must have dimension ${DIMENSION}`)
    this.#index = index
    this.options = {...defaultMemoryOptions, ...options}
    this.#elapsedUs = elapsedUs
    this.#cold = new ColdIndex(DIMENSION, key => (this.#byKey[key] as Entry).stored.vector)
    this.#restored = new Map(restoredKeys)
    const taken = new Set(this.#restored.values())
    const end = Math.max(-1, ...taken) + 1
    this.#byKey.length = end
    for (let key = end - 1; key >= 0; key--) if (!taken.has(key)) this.#freeKeys.push(key)
  }

  get count(): number {
    return this.#documents.size
  }

  /** Searches since the bank was opened, and those of them that did not abstain. */
  get usage(): {readonly searches: number; readonly answered: number} {
    return {searches: this.#searches, answered: this.#answered}
  }

  /**
   * Stores a pattern. One whose id is known keeps its vector and context and only gains the observations it lacked.
   * Throws UserError for a vector that is not 256 finite numbers with a direction, RangeError for what is no text.
   */
  add(pattern: NewPattern): 'added' | 'known' {
    const {id, symbol, strategy, regime, tsUs, observations = [], tier = 'hot', lastUseUs = 0, uses = 0} = pattern
    if (this.#documents.has(id)) {
      for (const {pnlBps, atUs} of observations) this.recordOutcome(id, pnlBps, atUs)
      return 'known'
    }
    for (const [name, text] of Object.entries({id, symbol, strategy, regime})) {
      // Half of a surrogate pair is no text: a store could only keep something else in its place.
      if (!text.isWellFormed())
        throw new RangeError(`the ${name} of a pattern must be text, was ${JSON.stringify(text)}`)
    }
    const vector = unitVector(pattern.vector, `pattern ${id}`)
    const sorted = observations.reduce<readonly Observation[]>(
      (list, added) => withObservation(list, checked(id, tsUs, added)).observations,
      [],
    )
    const stored: StoredPattern = {
      ...{id, symbol, strategy, regime, tsUs, vector},
      ...{observations: sorted, tier, lastUseUs, uses},
    }
    this.#write({op: 'add', pattern: stored})
    this.#makeRoom(tsUs)
    return 'added'
  }

  /**
   * Adds the P&L of one use, after costs, known from `atUs` on. A second record with the same time is the same record.
   * Throws RangeError when it
   * would be known before the decision, or is not a finite number.
   */
  recordOutcome(id: string, pnlBps: number, atUs: number): 'recorded' | 'known' | 'no-pattern' {
    const entry = this.#documents.get(id)
    if (entry === undefined) return 'no-pattern'
    const observation = checked(id, entry.stored.tsUs, {atUs, pnlBps})
    if (!withObservation(entry.stored.observations, observation).isNew) return 'known'
    this.#write({op: 'outcome', id, observation})
    return 'recorded'
  }

  /**
   * The nearest patterns whose outcome was known at `asOfUs`, and what they say together. A look changes nothing: who acts
   * on the answer says so with `recordUse(result.usable, nowUs)`.
   */
  search(vector: ArrayLike<number>, request: SearchRequest): SearchResult {
    const startUs = this.#elapsedUs()
    const {asOfUs, k = this.options.defaultK, filters = {}, tiers = 'auto'} = request
    const query = unitVector(vector, 'the query')
    const scope = this.#columns.scope(asOfUs, filters)
    const found = this.#index.search(query, k, this.#columns.known(asOfUs), scope)
    let matches = found.map(neighbour => this.#match(neighbour, asOfUs))
    const judged = request.evidence === undefined ? this.options : {...this.options, ...request.evidence}
    let evidence = evidenceOf(matches, judged)
    if (this.#cold.size > 0 && (tiers === 'all' || (tiers === 'auto' && this.#isOpen(evidence)))) {
      matches = this.#withCold(found, {query, k, asOfUs, scope}).map(neighbour => this.#match(neighbour, asOfUs))
      evidence = evidenceOf(matches, judged)
    }
    this.#searches++
    if (!evidence.abstain) this.#answered++
    const usable = matches.filter(({similarity}) => similarity >= judged.minSimilarity).map(({id}) => id)
    return {matches, evidence, usable, tookUs: this.#elapsedUs() - startUs}
  }

  /** Abstained, and not because nothing could ever count as near. */
  #isOpen({abstain}: Evidence): boolean {
    return abstain && this.options.minSimilarity <= 1
  }

  #withCold(
    hot: readonly Neighbour[],
    {
      query,
      k,
      asOfUs,
      scope,
    }: {readonly query: Float32Array; readonly k: number; readonly asOfUs: number; readonly scope: Scope},
  ): Neighbour[] {
    this.#coldSearches++
    const cold = this.#cold.search(query, k, this.#columns.known(asOfUs), scope)
    return [...hot, ...cold].sort((a, b) => b.similarity - a.similarity || a.key - b.key).slice(0, k)
  }

  /**
   * Says that a decision at `atUs` rested on these patterns. It counts the use, keeps them from ageing, and makes cold ones
   * hot. Costs about a microsecond a pattern: the counts are gathered and become durable with the next flush, all or none.
   * Call it once a decision, with `usable` of the search it rested on:
   *
   *     const answer = bank.search(vector, {asOfUs: nowUs, filters})
   *     if (!answer.evidence.abstain && answer.evidence.low > costBps) {
   *       bank.recordUse(answer.usable, nowUs)
   *       …
   *     }
   */
  recordUse(ids: Iterable<string>, atUs: number): void {
    for (const id of ids) {
      const stored = this.get(id)
      if (stored === undefined) continue
      this.apply({op: 'use', id, atUs})
      const before = this.#uses.get(id) ?? {atUs: 0, count: 0}
      this.#uses.set(id, {atUs: Math.max(before.atUs, atUs), count: before.count + 1})
      if (stored.tier === 'hot') continue
      this.#promoted++
      this.setTier(id, 'hot')
    }
    this.#makeRoom(atUs)
  }

  /** Does what the plan says; a redundant pattern's outcomes pass to the one that stays. */
  prune(plan: PrunePlan): void {
    for (const decision of plan.decisions) {
      const {id, action} = decision
      if (action === 'evict' && decision.reason === 'redundant') {
        for (const {atUs, pnlBps} of this.get(id)?.observations ?? []) this.recordOutcome(decision.keptId, pnlBps, atUs)
      }
      if (action === 'evict') this.remove(id)
      else this.setTier(id, action === 'demote' ? 'cold' : 'hot')
    }
  }

  remove(id: string): boolean {
    if (!this.#documents.has(id)) return false
    this.#write({op: 'remove', id})
    return true
  }

  setTier(id: string, tier: Tier): void {
    const stored = this.#documents.get(id)?.stored
    if (stored !== undefined && stored.tier !== tier) this.#write({op: 'tier', id, tier})
  }

  get(id: string): StoredPattern | undefined {
    return this.#documents.get(id)?.stored
  }

  /** Every document, hot and cold, in order of arrival. */
  *patterns(): Generator<StoredPattern> {
    for (const {stored} of this.#documents.values()) yield stored
  }

  stats(): MemoryStats {
    const {capacity, coldCapacity} = this.options
    return {
      ...{...countPatterns(this.patterns()), capacity, coldCapacity, dimension: DIMENSION, index: this.#index.kind},
      ...{bytes: this.#index.bytes + this.#columns.bytes, coldBytes: this.#cold.bytes},
      ...{coldSearches: this.#coldSearches, promoted: this.#promoted, searches: this.#searches},
      hitRate: this.#searches === 0 ? 0 : this.#answered / this.#searches,
    }
  }

  /** After all documents were applied: frees what a restored index still held of documents that are gone. */
  dropUnclaimed(): void {
    for (const key of this.#restored.values()) {
      this.#index.remove(key)
      this.#freeKeys.push(key)
    }
    this.#restored.clear()
  }

  /** The key in the index of every hot document, by id. */
  indexedKeys(): Map<string, number> {
    const keys = new Map<string, number>()
    for (const [id, {key, stored}] of this.#documents) if (stored.tier === 'hot') keys.set(id, key)
    return keys
  }

  /** The changes since the last call, oldest first, for a store to make durable. */
  takeWrites(): PatternWrite[] {
    const writes = this.#writes
    // After the additions, so that a pattern added and used since the last call has both.
    for (const [id, {atUs, count}] of this.#uses) writes.push({op: 'use', id, atUs, count})
    this.#writes = []
    this.#uses.clear()
    return writes
  }

  /** Gives back changes a store could not take; they come first at the next `takeWrites`. */
  returnWrites(writes: readonly PatternWrite[]): void {
    this.#writes = [...writes, ...this.#writes]
  }

  /** Takes over a change that is already durable: a document read at opening, or another process's write. */
  apply(write: PatternWrite): void {
    switch (write.op) {
      case 'add':
        this.#put(write.pattern)
        break
      case 'outcome':
        this.#change(write.id, stored => ({
          ...stored,
          observations: withObservation(stored.observations, write.observation).observations,
        }))
        break
      case 'use':
        this.#change(write.id, stored => ({
          ...stored,
          lastUseUs: Math.max(stored.lastUseUs, write.atUs),
          uses: stored.uses + (write.count ?? 1),
        }))
        break
      case 'tier':
        this.#change(write.id, stored => ({...stored, tier: write.tier}))
        break
      case 'remove':
        this.#drop(write.id)
        break
      default:
        write satisfies never
    }
  }

  [Symbol.dispose](): void {
    this.#index[Symbol.dispose]()
  }

  #write(write: PatternWrite): void {
    this.apply(write)
    this.#writes.push(write)
  }

  /**
   * Age and rank only, and each tier for itself: looking for near copies, and for cold patterns that have become better
   * than hot ones, is left to `gpi memory prune`, which nobody waits for.
   */
  #makeRoom(nowUs: number): void {
    const {capacity, coldCapacity} = this.options
    if (this.#index.size <= capacity && this.#cold.size <= coldCapacity) return
    const options = {...defaultPruneOptions, ...this.options, nowUs}
    const leaving = (tier: Tier, excess: number, limit: number): readonly StoredPattern[] =>
      this.#rooms[tier].leaving({
        ...{documents: () => this.patterns(), isOfTier: pattern => pattern.tier === tier, excess, options},
        slack: Math.ceil(Math.min(0.1 * limit, 0.02 * this.#documents.size)),
        current: id => this.get(id),
      })
    for (const pattern of leaving('hot', this.#index.size - capacity, capacity)) {
      if (isExpired(judge(pattern, options), options)) this.remove(pattern.id)
      else this.setTier(pattern.id, 'cold')
    }
    for (const {id} of leaving('cold', this.#cold.size - coldCapacity, coldCapacity)) this.remove(id)
  }

  #match({key, similarity}: Neighbour, asOfUs: number): Match {
    const {stored} = this.#byKey[key] as Entry
    const {id, symbol, strategy, regime, tsUs, observations, tier} = stored
    const outcome = outcomeAsOf(observations, asOfUs, this.options.halfLifeUs)
    return {
      id,
      similarity,
      symbol,
      strategy,
      regime,
      tsUs,
      outcome,
      confidence: confidence(outcome, this.options),
      tier,
    }
  }

  #put(stored: StoredPattern): void {
    const known = this.#documents.get(stored.id)
    const before = known?.stored
    const restoredKey = this.#restored.get(stored.id)
    const entry: Entry = known ?? {stored, key: restoredKey ?? this.#freeKeys.pop() ?? this.#byKey.length}
    entry.stored = stored
    if (known === undefined) {
      this.#documents.set(stored.id, entry)
      this.#byKey[entry.key] = entry
    }
    this.#columns.set(entry.key, stored.observations[0]?.atUs ?? Number.POSITIVE_INFINITY)
    this.#restored.delete(stored.id)
    const tierBefore = restoredKey === undefined ? before?.tier : 'hot'
    if (stored.tier === tierBefore && (before === undefined || sameVector(before.vector, stored.vector))) {
      if (restoredKey !== undefined) this.#index.place(entry.key, this.#columns.placeOf(stored))
      return
    }
    if (tierBefore === 'cold') this.#cold.remove(entry.key)
    if (tierBefore === 'hot') this.#index.remove(entry.key)
    const index = stored.tier === 'hot' ? this.#index : this.#cold
    index.add(entry.key, stored.vector, this.#columns.placeOf(stored))
  }

  #change(id: string, change: (stored: StoredPattern) => StoredPattern): void {
    const entry = this.#documents.get(id)
    if (entry !== undefined) this.#put(change(entry.stored))
  }

  #drop(id: string): void {
    const entry = this.#documents.get(id)
    if (entry === undefined) return
    this.#documents.delete(id)
    this.#byKey[entry.key] = undefined
    this.#freeKeys.push(entry.key)
    this.#index.remove(entry.key)
    this.#cold.remove(entry.key)
  }
}

interface Entry {
  stored: StoredPattern
  readonly key: number
}

const sameVector = (a: Float32Array, b: Float32Array): boolean => a === b || a.every((value, i) => value === b[i])

const checked = (id: string, decidedUs: number, {atUs, pnlBps}: Observation): Observation => {
  if (!Number.isFinite(pnlBps)) throw new RangeError(`the P&L of pattern ${id} must be finite, was ${pnlBps}`)
  if (!Number.isSafeInteger(atUs) || atUs < decidedUs) {
    throw new RangeError(`an outcome of pattern ${id} cannot be known before ${decidedUs}, was known at ${atUs}`)
  }
  return {atUs, pnlBps}
}
