/** Lists the benchmarks with their first line, or runs one: npm run bench [-- NAME [arguments]] */
import {spawnSync} from 'node:child_process'
import {readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'

// A reader that leaves early (`| head`) is not a failure.
process.stdout.on('error', () => process.exit())
const folder = import.meta.dirname
const [name, ...args] = process.argv.slice(2)
if (name === undefined) {
  for (const file of readdirSync(folder)
    .filter(file => file !== path.basename(import.meta.filename))
    .sort()) {
    const about =
      /^\/\*\*?\s*\**\s*([^\n]+?)\s*(\*\/)?\n/.exec(readFileSync(path.join(folder, file), 'utf8'))?.[1] ?? ''
    process.stdout.write(`${file.replace(/\.ts$/, '').padEnd(22)} ${about}\n`)
  }
} else {
  const {status} = spawnSync(process.execPath, [path.join(folder, `${name}.ts`), ...args], {stdio: 'inherit'})
  process.exitCode = status ?? 1
}
