#!/usr/bin/env node
// Plain JavaScript that every Node since 14 can parse: its first job is to find a runtime new enough for the rest.
import {spawn} from 'node:child_process'
import {existsSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'

const NEEDED = 24
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const argv = process.argv.slice(2)

if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
  const {version} = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  process.stdout.write(`gpi/${version} ${process.platform}-${process.arch}\n`)
} else if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  reexecute()
} else {
  await main()
}

/** Runs this same file under the bundled runtime and becomes transparent to signals and exit codes. */
function reexecute() {
  const bundled = [path.join(root, 'node_modules/node/bin/node'), path.resolve(root, '../node/bin/node')].find(
    existsSync,
  )
  if (bundled === undefined) {
    process.stderr.write(
      `gpi needs Node ${NEEDED} or newer, this is ${process.version}, and the bundled runtime is not in node_modules.\n` +
        `Try: npm ci in ${root}, or install Node ${NEEDED}.\n`,
    )
    process.exitCode = 2
    return
  }
  // The channel carries nothing: it breaks when this process is killed without mercy, which no signal would tell.
  const child = spawn(bundled, [fileURLToPath(import.meta.url), ...argv], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`gpi could not start ${bundled}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1
    else {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
  })
}

async function main() {
  if (!existsSync(path.join(root, 'dist/cli/main.js'))) {
    process.stderr.write(`gpi is not built: ${path.join(root, 'dist')} is missing.\nTry: npm run build\n`)
    process.exitCode = 2
    return
  }
  if (process.channel !== undefined) {
    process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
    process.channel.unref()
  }
  const {main: start} = await import('../dist/cli/main.js')
  await start(argv, import.meta.url)
}
