import {readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, test} from 'vitest'

/** A folder may import itself and any level above it in this list, never its own level or one below. */
const levels = [
  ['domain'],
  ['config', 'data', 'options', 'features', 'nn'],
  ['strategies', 'allocation', 'risk', 'models', 'memory', 'exchange', 'broker', 'feed'],
  ['engine', 'drivers'],
  ['evaluation'],
  ['core'],
  ['cli', 'tui'],
  ['commands'],
]
const levelOf = new Map(levels.flatMap((names, level) => names.map(name => [name, level] as const)))
/** Ports to the outside share level 2 with what calls them; these are the words the level has in common. */
const sharedPorts = new Set(['broker/broker.ts', 'strategies/strategy.ts', 'exchange/venue.ts', 'feed/feed.ts'])

const sources = readdirSync('src', {recursive: true})
  .map(String)
  .filter(file => /\.tsx?$/.test(file))
  .sort()
const text = (file: string): string => readFileSync(path.join('src', file), 'utf8')
const folder = (file: string): string => file.split('/')[0] as string
const imports = (file: string): string[] =>
  [...text(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(match =>
    path.join(path.dirname(file), match[1] as string),
  )

describe('the shape of DESIGN §4', () => {
  test('every folder has a level', () => {
    expect(sources.map(folder).filter(name => !levelOf.has(name))).toEqual([])
  })

  test('imports point down the levels only', () => {
    const wrong = sources.flatMap(file =>
      imports(file)
        .filter(target => folder(target) !== folder(file))
        .filter(target => (levelOf.get(folder(target)) ?? Infinity) >= (levelOf.get(folder(file)) ?? -1))
        .filter(target => !sharedPorts.has(target))
        .map(target => `${file} -> ${target}`),
    )
    expect(wrong).toEqual([])
  })

  test('domain imports nothing', () => {
    expect(
      sources
        .filter(file => folder(file) === 'domain')
        .flatMap(file => imports(file).filter(target => folder(target) !== 'domain')),
    ).toEqual([])
  })

  test('only commands, cli and tui know oclif and Ink', () => {
    const edges = new Set(['commands', 'cli', 'tui'])
    expect(sources.filter(file => !edges.has(folder(file)) && /from '(@oclif\/|ink'|react')/.test(text(file)))).toEqual(
      [],
    )
  })

  test('nothing below drivers reads the wall clock, the global generator or a timer', () => {
    const banned =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\b|\brandomUUID\b|\bset(Timeout|Interval|Immediate)\b/
    const allowed = new Set(['drivers', 'core', 'cli', 'tui', 'commands'])
    expect(sources.filter(file => !allowed.has(folder(file)) && banned.test(code(text(file))))).toEqual([])
  })

  test('the Alpaca client is built in one place', () => {
    expect(sources.filter(file => /new Alpaca\(/.test(text(file)) && file !== 'drivers/alpaca/client.ts')).toEqual([])
  })
})

/** The source without comments, so that a word in a docstring is not an offence. */
const code = (source: string): string => source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

interface ManifestCommand {
  readonly summary?: string
  readonly examples?: readonly unknown[]
  readonly aliases?: readonly string[]
}
const manifest = (): {version: string; commands: Record<string, ManifestCommand>} =>
  JSON.parse(readFileSync('oclif.manifest.json', 'utf8'))

describe('the commands', () => {
  const files = sources
    .filter(file => folder(file) === 'commands')
    .map(file => file.replace(/^commands\/|\.tsx?$/g, '').replaceAll('/', ':'))

  test('the manifest lists exactly the commands there are (npm run build writes it)', () => {
    expect(Object.keys(manifest().commands).sort()).toEqual(files.sort())
    expect(manifest().version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version)
  })

  test('the manifest is what the compiled commands say', async () => {
    const {Plugin} = await import('@oclif/core')
    const plugin = new Plugin({root: process.cwd(), type: 'core', ignoreManifest: true})
    await plugin.load()
    expect(JSON.parse(JSON.stringify(plugin.manifest)).commands).toEqual(manifest().commands)
  })

  test('every command has a summary and an example', () => {
    const bare = Object.entries(manifest().commands).filter(
      ([, command]) => !command.summary || (command.examples?.length ?? 0) === 0,
    )
    expect(bare.map(([id]) => id)).toEqual([])
  })
})
