/** Remembers the last 8,192 to 16,384 ids: duplicates come soon or never, and memory must stay bounded. */
export class RecentIds {
  #young = new Set<string>()
  #old = new Set<string>()
  has(id: string): boolean {
    return this.#young.has(id) || this.#old.has(id)
  }
  add(id: string): void {
    this.#young.add(id)
    if (this.#young.size < 8_192) return
    this.#old = this.#young
    this.#young = new Set()
  }
}
