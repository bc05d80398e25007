import {existsSync} from 'node:fs'
import {mkdir, writeFile} from 'node:fs/promises'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'

/**
 * Writes a strategy file to start from: runnable as it is, no import that a bare folder could not resolve. Throws UserError
 * for a name that is not kebab-case or a file that is there.
 */
export const writeNewStrategy = async (name: string, directory: string): Promise<string> => {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new UserError('STRATEGY_NAME', `a strategy is named in kebab-case, was ${JSON.stringify(name)}`, {
      hints: ['for example: gpi strategy new mean-reversion'],
    })
  const file = path.join(directory, `${name}.ts`)
  if (existsSync(file))
    throw new UserError('STRATEGY_EXISTS', `${file} is there already`, {hints: ['choose another name or --dir']})
  await mkdir(directory, {recursive: true})
  await writeFile(file, strategyTemplate(name), {flag: 'wx'})
  return file
}

export const strategyTemplate = (name: string): string => `/**
 * ${name}: buys after a fall of the close below its recent average and leaves when it is back.
 *
 *     gpi backtest --data DIR --strategy ./${name}.ts --param window=20 --param fraction=0.05
 *
 * The default export makes a fresh strategy from its parameters. Its object holds all its state. \`onEvent\` is the hot path:
 * it is called once a market row, after \`context.market\` took it, reads columns and should allocate nothing.
 *
 *     chunk.kind[row]        0 quote  v0 bid, v1 ask (ticks), v2 bid, v3 ask (lots)
 *                            1 trade  v0 price, v1 size; flags 1 buyer, 2 seller aggressed
 *                            2 bar    v0 open, v1 high, v2 low, v3 close, v4 volume; known at chunk.tsUs[row], its close
 *
 * What it may say: context.target(instrument, signedLots, {limitTicks?, timeInForce?}), where timeInForce 'opg' or 'cls' asks
 * for the opening or closing auction; context.quote(instrument, bid, lots, ask, lots); context.wakeAt(atUs, tag);
 * context.signal({instrument, direction, strength, holdingPeriodUs, size, confidence}).
 * Risk, sizing to limits, orders and cancels are the engine's. It never gets the broker, the clock or the data source, so
 * the same file back-tests and trades.
 *
 * The types come with the package (npm install gpi); the import is erased when the file runs, so it runs without.
 */
import type {Strategy, StrategyFactory} from 'gpi'

const BAR = 2

/** Parameters and their defaults; a --param that is not among them is an error that names the nearest. */
export const params = {window: 20, entry: 1.5, fraction: 0.05}

const create: StrategyFactory<typeof params> = ({window, entry, fraction}): Strategy => {
  /** The last closes of each instrument, a ring of \`window\` ticks, and how many have come. */
  const closes: Float64Array[] = []
  const counts: number[] = []
  let entries = 0
  return {
    name: '${name}',
    start({instruments}) {
      for (let i = 0; i < instruments.size; i++) {
        closes.push(new Float64Array(window))
        counts.push(0)
      }
    },
    onEvent(context, chunk, row) {
      if (chunk.kind[row] !== BAR) return
      const instrument = chunk.instrument[row] as number
      const close = chunk.v3[row] as number
      const past = closes[instrument] as Float64Array
      const count = counts[instrument] as number
      if (count >= window) {
        let mean = 0
        for (const price of past) mean += price / window
        let variance = 0
        for (const price of past) variance += (price - mean) ** 2 / window
        const held = context.positionLots(instrument)
        if (held === 0 && close < mean - entry * Math.sqrt(variance)) {
          const {multiplier, priceDecimals, sizeDecimals} = context.instruments.at(instrument)
          const lotMicros = close * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
          context.target(instrument, Math.floor((context.capitalMicros * fraction) / lotMicros))
          entries++
        } else if (held > 0 && close >= mean) context.target(instrument, 0)
      }
      past[count % window] = close
      counts[instrument] = count + 1
    },
    report: () => ({entries}),
  }
}

export default create
`
