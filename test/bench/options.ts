/**
 * node test/bench/options.ts: implied volatilities and greeks a second on one core, against naive bisection and against the
 * packages that a script takes from npm (implied-volatility and greeks, both on black-scholes).
 */
import {createRequire} from 'node:module'
import {createRng} from '../../src/domain/rng.ts'
import {greeksColumns, impliedVolatilityAndGreeksBatch, optionColumns} from '../../src/options/batch.ts'
import {blackPrice} from '../../src/options/black.ts'
import {impliedTotalVolatility} from '../../src/options/implied-volatility.ts'

const require = createRequire(import.meta.url)
const peer = {
  ...(require('implied-volatility') as {
    getImpliedVolatility: (p: number, s: number, k: number, t: number, r: number, right: string) => number
  }),
  ...(require('greeks') as Record<
    'getDelta' | 'getGamma' | 'getVega' | 'getTheta' | 'getRho',
    (s: number, k: number, t: number, v: number, r: number, right: string) => number
  >),
}

const N = 10_000
const ROUNDS = 60
const options = optionColumns(N)
const price = new Float64Array(N)
const truth = new Float64Array(N)
const rng = createRng(4, 'options bench')
for (let i = 0; i < N; i++) {
  const ttmYears = 0.01 + 1.5 * rng.uniform()
  const total = (0.1 + 0.5 * rng.uniform()) * Math.sqrt(ttmYears)
  truth[i] = total / Math.sqrt(ttmYears)
  options.forward[i] = 100
  options.strike[i] = 100 * Math.exp((rng.uniform() * 6 - 3) * total)
  options.discount[i] = 1
  options.ttmYears[i] = ttmYears
  options.spot[i] = 100
  options.call[i] = i & 1
  price[i] = blackPrice(100, options.strike[i] as number, total, (i & 1) === 1)
}
const out = greeksColumns(N)

/** What most scripts do: 40 bisections of the price; about 1e-12 of absolute accuracy. */
const bisect = (target: number, strike: number, call: boolean): number => {
  let low = 0
  let high = 5
  for (let i = 0; i < 40; i++) {
    const middle = 0.5 * (low + high)
    if (blackPrice(100, strike, middle, call) < target) low = middle
    else high = middle
  }
  return low
}

const each = (f: (price: number, strike: number, call: boolean) => number) => (): void => {
  for (let i = 0; i < N; i++)
    out.impliedVolatility[i] = f(price[i] as number, options.strike[i] as number, (i & 1) === 1)
}

/** The peer gets whole cents, at which its search ends early; its greeks inherit the error. */
const peerRow = (i: number, withGreeks: boolean): void => {
  const right = (i & 1) === 1 ? 'call' : 'put'
  const [k, t] = [options.strike[i] as number, options.ttmYears[i] as number]
  const v = peer.getImpliedVolatility(Math.round(100 * (price[i] as number)) / 100, 100, k, t, 0, right)
  out.impliedVolatility[i] = v
  if (!withGreeks) return
  out.delta[i] = peer.getDelta(100, k, t, v, 0, right)
  out.gamma[i] = peer.getGamma(100, k, t, v, 0, right)
  out.vega[i] = peer.getVega(100, k, t, v, 0, right)
  out.theta[i] = peer.getTheta(100, k, t, v, 0, right)
  out.rho[i] = peer.getRho(100, k, t, v, 0, right)
}
const peerRows = (withGreeks: boolean) => (): void => {
  for (let i = 0; i < N; i += PEER_STRIDE) peerRow(i, withGreeks)
}
/** One in two hundred: the peer is too slow for all of them. */
const PEER_STRIDE = 201

const variants: Record<string, {run: () => void; ns: number[]; share?: number}> = {
  'implied vol + greeks to second order': {run: () => impliedVolatilityAndGreeksBatch(options, price, out), ns: []},
  'implied vol': {run: each((p, k, call) => impliedTotalVolatility(p, 100, k, call)), ns: []},
  'naive bisection, implied vol only': {run: each(bisect), ns: []},
  'npm implied-volatility': {run: peerRows(false), ns: [], share: Math.ceil(N / PEER_STRIDE) / N},
  'npm implied-volatility + greeks': {run: peerRows(true), ns: [], share: Math.ceil(N / PEER_STRIDE) / N},
}
// Interleaved, so that a busy machine slows all alike.
for (let round = 0; round < ROUNDS; round++)
  for (const variant of Object.values(variants)) {
    const before = process.cpuUsage()
    variant.run()
    const {user, system} = process.cpuUsage(before)
    variant.ns.push(((user + system) * 1e3) / (N * (variant.share ?? 1)))
  }
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const reference = median(variants['naive bisection, implied vol only']?.ns ?? [])
process.stdout.write(`${N} options (±3 deviations, 4 days to 1.5 years), median of ${ROUNDS} rounds, CPU time\n`)
const whole = median(variants['npm implied-volatility + greeks']?.ns ?? [])
for (const [name, {ns}] of Object.entries(variants)) {
  const m = median(ns)
  process.stdout.write(
    `${name.padEnd(42)} ${m.toFixed(0).padStart(6)} ns/option ${(1e3 / m).toFixed(2).padStart(6)} M/s  ${(reference / m).toFixed(1)}x naive  ${(whole / m).toFixed(1)}x npm\n`,
  )
}

/** Worst error of each against the volatility that made the price, where the price is above a cent. */
const worst = (run: () => void): number => {
  run()
  let error = 0
  for (let i = 0; i < N; i += PEER_STRIDE) {
    if (!((price[i] as number) > 0.01)) continue
    error = Math.max(error, Math.abs((out.impliedVolatility[i] as number) - (truth[i] as number)))
  }
  return error
}
process.stdout.write(
  `worst error in volatility where the price is above a cent: ${worst(() => impliedVolatilityAndGreeksBatch(options, price, out)).toExponential(1)}, npm ${worst(peerRows(false)).toExponential(1)}\n`,
)
