import {UserError} from '../domain/errors.ts'
import {createReplayMarket, type ReplayMarket} from '../exchange/replay-market.ts'

export interface OpenedReplay {
  readonly market: ReplayMarket
  /** Time of the first row: where the exchange's clock starts. */
  readonly startUs: number
}

/** Opens a catalog as a market of the exchange, all of its symbols or some. Throws UserError when there is nothing to replay. */
export const openReplay = async (
  directory: string,
  symbols: readonly string[],
  fromUs?: number,
): Promise<OpenedReplay> => {
  const {openCatalog} = await import('../drivers/duckdb/catalog.ts')
  const source = await openCatalog(directory, {
    ...(symbols.length === 0 ? {} : {symbols}),
    ...(fromUs === undefined ? {} : {fromUs}),
    kinds: ['quote', 'trade', 'bar', 'depth', 'order'],
  })
  const market = await createReplayMarket(source)
  if (market.nextUs() === Infinity)
    throw new UserError(
      'NOTHING_TO_REPLAY',
      `${directory} holds no market rows${symbols.length > 0 ? ` of ${symbols}` : ''}`,
      {
        hints: ['gpi ingest SOURCE PATH --out DIR fills a catalog', 'leave --symbols away to replay all of it'],
      },
    )
  return {market, startUs: market.startUs}
}
