// Numeric kernel: indices are in bounds by construction, hence the `!`.
import type {Neighbour} from './vector-index.ts'

/**
 * Keeps the `k` best (similarity, key) pairs seen. A binary heap with the worst kept pair at the root; of equal
 * similarities the lower key is better.
 */
export class TopK {
  readonly #k: number
  readonly #similarities: Float64Array
  readonly #keys: Float64Array
  #size = 0

  constructor(k: number) {
    this.#k = k
    this.#similarities = new Float64Array(k)
    this.#keys = new Float64Array(k)
  }

  /** A similarity below this cannot enter. */
  get floor(): number {
    return this.#size < this.#k ? Number.NEGATIVE_INFINITY : this.#similarities[0]!
  }

  offer(similarity: number, key: number): void {
    if (this.#size < this.#k) {
      this.#siftUp(this.#size++, similarity, key)
    } else if (this.#k > 0 && this.#worse(this.#similarities[0]!, this.#keys[0]!, similarity, key)) {
      this.#siftDown(similarity, key)
    }
  }

  /** Best first. */
  sorted(): Neighbour[] {
    const out: Neighbour[] = []
    for (let i = 0; i < this.#size; i++) out.push({key: this.#keys[i]!, similarity: this.#similarities[i]!})
    return out.sort((a, b) => b.similarity - a.similarity || a.key - b.key)
  }

  #worse(aSimilarity: number, aKey: number, bSimilarity: number, bKey: number): boolean {
    return aSimilarity < bSimilarity || (aSimilarity === bSimilarity && aKey > bKey)
  }

  #siftUp(from: number, similarity: number, key: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#worse(similarity, key, this.#similarities[parent]!, this.#keys[parent]!)) break
      this.#move(parent, at)
      at = parent
    }
    this.#similarities[at] = similarity
    this.#keys[at] = key
  }

  #siftDown(similarity: number, key: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && this.#isWorseSlot(child + 1, child)) child++
      if (!this.#worse(this.#similarities[child]!, this.#keys[child]!, similarity, key)) break
      this.#move(child, at)
      at = child
    }
    this.#similarities[at] = similarity
    this.#keys[at] = key
  }

  #isWorseSlot(a: number, b: number): boolean {
    return this.#worse(this.#similarities[a]!, this.#keys[a]!, this.#similarities[b]!, this.#keys[b]!)
  }

  #move(from: number, to: number): void {
    this.#similarities[to] = this.#similarities[from]!
    this.#keys[to] = this.#keys[from]!
  }
}
