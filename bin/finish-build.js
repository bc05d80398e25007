// Last step of the build: drops compiled files whose source has gone and writes oclif.manifest.json.
import {existsSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {Plugin} from '@oclif/core'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const dist = path.join(root, 'dist')
for (const file of readdirSync(dist, {recursive: true})) {
  const source = path.join(root, 'src', String(file).replace(/\.js(\.map)?$/, ''))
  if (/\.js(\.map)?$/.test(file) && !existsSync(`${source}.ts`) && !existsSync(`${source}.tsx`)) {
    rmSync(path.join(dist, String(file)))
  }
}

const plugin = new Plugin({root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true})
await plugin.load()
// By name: the folder's own order differs between machines.
const commands = Object.fromEntries(Object.entries(plugin.manifest.commands).toSorted(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(
  path.join(root, 'oclif.manifest.json'),
  `${JSON.stringify({...plugin.manifest, commands}, undefined, 2)}\n`,
)

// What bin/prepare.js compares the sources with.
writeFileSync(path.join(dist, '.built'), '')
