// npm runs this after an install, and npx before the first run from a checkout: builds only when a source is newer than
// the last build.
import {spawnSync} from 'node:child_process'
import {existsSync, readdirSync, statSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import {fileURLToPath} from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const built = path.join(root, 'dist/.built')
const newest = folder =>
  Math.max(
    0,
    ...readdirSync(path.join(root, folder), {recursive: true}).map(
      file => statSync(path.join(root, folder, String(file))).mtimeMs,
    ),
  )

const isFresh =
  existsSync(built) &&
  Math.max(newest('src'), statSync(path.join(root, 'package.json')).mtimeMs) <= statSync(built).mtimeMs
if (!isFresh) {
  const {status} = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
}
