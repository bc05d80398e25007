import {createHash} from 'node:crypto'
import type {z} from 'zod'
import {nearest, UserError} from '../domain/errors.ts'
import {Config} from './schema.ts'

/** One place a setting can come from. Later layers win. */
export interface ConfigLayer {
  /** Shown by `gpi config show`: a file name, an environment variable, a flag. */
  readonly source: string
  readonly values: unknown
}

export interface ResolvedConfig {
  readonly config: Config
  /** Dotted path of every leaf to the layer that set it; `default` where none did. */
  readonly sources: ReadonlyMap<string, string>
  /** SHA-256 (hex) of the canonical JSON of the resolved config. */
  readonly hash: string
}

/** Merges the layers over the defaults and validates once. Throws UserError CONFIG_INVALID naming each wrong key. */
export const resolveConfig = (layers: readonly ConfigLayer[]): ResolvedConfig => {
  const merged: Record<string, unknown> = {}
  const sources = new Map<string, string>()
  for (const {source, values} of layers) {
    if (!isObject(values))
      throw new UserError('CONFIG_INVALID', `${source} must hold an object, was ${describe(values)}`)
    merge(merged, values, source, sources, [])
  }
  const result = Config.safeParse(merged)
  if (!result.success) throw invalid(result.error, sources, layers)
  for (const leaf of leaves(result.data)) if (!sources.has(leaf)) sources.set(leaf, 'default')
  return {config: result.data, sources, hash: configHash(result.data)}
}

/** SHA-256 (hex) over JSON with sorted keys. */
export const configHash = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex')

export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  const entries = Object.keys(value)
    .filter(key => value[key] !== undefined)
    .sort()
    .map(key => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${entries.join(',')}}`
}

/**
 * `GPI__SECTION__KEY=value` variables as one layer each. Keys are matched without regard to case; values are JSON where
 * they parse as JSON, else strings.
 */
export const environmentLayers = (environment: Readonly<Record<string, string | undefined>>): ConfigLayer[] =>
  Object.entries(environment)
    .filter((entry): entry is [string, string] => entry[0].startsWith('GPI__') && entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => {
      const path = canonicalPath(name.slice('GPI__'.length).split('__'), name)
      return {source: `$${name}`, values: path.reduceRight<unknown>((inner, key) => ({[key]: inner}), jsonOr(text))}
    })

/** The schema's own spelling of an upper-case path. */
const canonicalPath = (parts: readonly string[], name: string): string[] => {
  let node: unknown = Config.parse({})
  return parts.map(part => {
    const keys = isObject(node) ? Object.keys(node) : []
    const folded = part.toLowerCase().replace(/[-_]/g, '')
    const key = keys.find(candidate => candidate.toLowerCase().replace(/[-_]/g, '') === folded)
    if (key === undefined) {
      const near = nearest(part, keys)
      throw new UserError('CONFIG_UNKNOWN_KEY', `$${name} names no setting: unknown key "${part}"`, {
        hints: near === undefined ? [`known here: ${keys.join(', ')}`] : [`did you mean ${near}?`],
      })
    }
    node = (node as Record<string, unknown>)[key]
    return key
  })
}

const jsonOr = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const merge = (
  into: Record<string, unknown>,
  from: Record<string, unknown>,
  source: string,
  sources: Map<string, string>,
  path: readonly string[],
): void => {
  for (const [key, value] of Object.entries(from)) {
    if (key === '__proto__') continue
    if (path.length === 0 && key === '$schema') continue
    const here = [...path, key]
    if (isObject(value)) {
      const child = isObject(into[key]) ? into[key] : {}
      into[key] = child
      merge(child, value, source, sources, here)
    } else {
      into[key] = value
      sources.set(here.join('.'), source)
    }
  }
}

export const leaves = (value: unknown, path: readonly string[] = []): string[] =>
  isObject(value) && (path.length === 0 || Object.keys(value).length > 0)
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))
    : [path.join('.')]

const invalid = (
  error: z.ZodError,
  sources: ReadonlyMap<string, string>,
  layers: readonly ConfigLayer[],
): UserError => {
  const hints = error.issues.flatMap(issue => explain(issue, sources))
  const first = hints[0] ?? error.message
  return new UserError('CONFIG_INVALID', `configuration is not valid: ${first}`, {
    hints: [...hints.slice(1), `layers read: ${layers.map(layer => layer.source).join(', ') || 'defaults only'}`],
    cause: error,
  })
}

const explain = (issue: z.core.$ZodIssue, sources: ReadonlyMap<string, string>): string[] => {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') {
    const dotted = path.join('.')
    const source = sources.get(dotted)
    return [`${dotted || '(top level)'}: ${issue.message}${source === undefined ? '' : ` (from ${source})`}`]
  }
  let node: unknown = Config.parse({})
  for (const part of path) node = isObject(node) ? node[part] : undefined
  const known = isObject(node) ? Object.keys(node) : []
  return issue.keys.map(key => {
    const near = nearest(key, known)
    const dotted = [...path, key].join('.')
    return `unknown key "${dotted}"${near === undefined ? `; known here: ${known.join(', ')}` : `; did you mean "${[...path, near].join('.')}"?`}`
  })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const describe = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
