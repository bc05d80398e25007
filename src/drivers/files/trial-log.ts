import {appendFileSync, mkdirSync, readFileSync} from 'node:fs'
import path from 'node:path'

/** One evaluated configuration, as `evaluation/trial-log.ts` counts them. */
interface Trial {
  readonly id: string
  readonly family: string
  readonly sharpe: number | undefined
  readonly observations: number
  readonly period?: string
  readonly tsUs: number
}

/**
 * Every configuration a project ever tried, one JSON line each in HOME/trials.ndjson: what an honest Sharpe ratio must be
 * deflated by. Appending is one write, so concurrent runs do not tear each other's lines; a line a crash cut short is
 * passed over. The same trial again counts once.
 */
export const fileTrialLog = (home: string) => {
  const file = path.join(home, 'trials.ndjson')
  const known = new Map<string, Trial>()
  const lines = linesOf(file)
  // A trial after a line that a crash cut short begins a line of its own.
  let separator = (lines.at(-1) ?? '') === '' ? '' : '\n'
  for (const line of lines) {
    const trial = parse(line)
    if (trial !== undefined) known.set(keyOf(trial), trial)
  }
  return {
    file,
    record: (trial: Trial): void => {
      const key = keyOf(trial)
      if (known.has(key)) return
      mkdirSync(home, {recursive: true})
      appendFileSync(file, `${separator}${JSON.stringify({...trial, sharpe: trial.sharpe ?? null})}\n`)
      separator = ''
      known.set(key, trial)
    },
    trials: (family?: string): readonly Trial[] =>
      [...known.values()].filter(trial => family === undefined || trial.family === family),
  }
}

const keyOf = ({family, id}: Trial): string => `${family}\n${id}`

const linesOf = (file: string): string[] => {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const parse = (line: string): Trial | undefined => {
  if (line === '') return undefined
  try {
    const {sharpe, family, ...trial} = JSON.parse(line) as Omit<Trial, 'sharpe'> & {sharpe: number | null}
    // Once a file was named as it was written: `./mine.ts` and `mine.ts` are one strategy.
    const names = family.split('+').map(name => path.normalize(name))
    return {...trial, family: names.join('+'), sharpe: sharpe ?? undefined}
  } catch {
    return undefined
  }
}
