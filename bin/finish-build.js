// Last step of the build: drops compiled files whose source has gone, writes oclif.manifest.json, and puts this checkout's
// own command where npx looks first (npx would otherwise install the checkout into its cache, slowly, and not always well).
import {existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
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
writeFileSync(path.join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest, undefined, 2)}\n`)

const binaries = path.join(root, 'node_modules/.bin')
const own = path.join(binaries, 'gpi')
mkdirSync(binaries, {recursive: true})
if (process.platform === 'win32') writeFileSync(`${own}.cmd`, '@node "%~dp0\\..\\..\\bin\\run.js" %*\r\n')
else if (lstatSync(own, {throwIfNoEntry: false}) === undefined) symlinkSync('../../bin/run.js', own)
