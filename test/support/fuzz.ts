/**
 * `npm run fuzz [-- ROUNDS [FILTER]]`: the property tests again, each round from a seed not tried before. Prints the seed of
 * the first round that fails, and leaves with its exit code.
 */
import {spawnSync} from 'node:child_process'
import {randomInt} from 'node:crypto'
import {globSync, readFileSync} from 'node:fs'

const [rounds = '10', filter = ''] = process.argv.slice(2)
const files = globSync('test/**/*.test.{ts,tsx}').filter(
  file => file.includes(filter) && readFileSync(file, 'utf8').includes("from 'fast-check'"),
)
for (let round = 1; round <= Number(rounds); round++) {
  const seed = randomInt(2 ** 31)
  process.stdout.write(`round ${round} of ${rounds}: GPI_SEED=${seed}, ${files.length} files\n`)
  const run = spawnSync('npx', ['vitest', 'run', '--reporter', 'default', '--silent=true', ...files], {
    stdio: 'inherit',
    env: {...process.env, GPI_SEED: String(seed)},
  })
  if (run.status !== 0) {
    process.stderr.write(`round ${round} failed; again with: GPI_SEED=${seed} npx vitest run\n`)
    process.exit(run.status ?? 1)
  }
}
