/**
 * Process exit codes, the contract of every command.
 * 0 ok · 1 failure or bug · 2 usage or configuration · 3 refused by risk or the kill latch · 5 timeout · 6 invalid data.
 */
export const ExitCode = {ok: 0, failure: 1, usage: 2, refused: 3, timeout: 5, invalidData: 6} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export interface UserErrorOptions {
  /** Commands to run or edits to make, one a line. */
  readonly hints?: readonly string[]
  readonly exitCode?: ExitCode
  readonly cause?: unknown
}

/**
 * Something the person at the terminal can fix. Everything else that throws is a bug.
 * `code` is a stable SCREAMING_SNAKE identifier that scripts may match; the message names the thing and its value.
 */
export class UserError extends Error {
  override readonly name = 'UserError'
  readonly code: string
  readonly hints: readonly string[]
  readonly exitCode: ExitCode

  constructor(code: string, message: string, {hints = [], exitCode = ExitCode.usage, cause}: UserErrorOptions = {}) {
    super(message, {cause})
    this.code = code
    this.hints = hints
    this.exitCode = exitCode
  }
}

/** The candidate with the smallest edit distance to `name`, when it is near enough to be a likely typing error. */
export const nearest = (name: string, candidates: Iterable<string>): string | undefined => {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({length: b.length + 1}, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
