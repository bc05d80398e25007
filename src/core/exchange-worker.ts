import {parentPort, workerData} from 'node:worker_threads'
import {openCatalog} from '../drivers/duckdb/catalog.ts'
import {startLocalExchange} from '../drivers/exchange-server/local-exchange.ts'
import {createReplayMarket} from '../exchange/replay-market.ts'
import type {ExchangeAnswer, ExchangeRequest} from './exchange-thread.ts'
import {refusalOf} from './refusal.ts'
import {inDollars} from './replay-source.ts'
import {stepAside} from './step-aside.ts'
import {systemClock, systemScheduler} from './system-clock.ts'

/** The thread of a node's own exchange: its matching must not keep the node's event loop, nor be kept by it. */
const port = parentPort
if (port === null) throw new Error('exchange-worker must run as a worker thread')
const tell = (answer: ExchangeAnswer): void => port.postMessage(answer)

try {
  // A venue that is elsewhere would not take the node's cores either.
  stepAside()
  const {
    seed,
    speed,
    symbols,
    port: wanted,
    startUs,
    data,
    requestsPerMinute,
    optionsOn,
    keptOrders,
  } = workerData as ExchangeRequest
  const replay =
    data === undefined
      ? undefined
      : await createReplayMarket(
          inDollars(
            await openCatalog(data, {
              ...(symbols.length === 0 ? {} : {symbols}),
              ...(startUs === undefined ? {} : {fromUs: startUs}),
            }),
          ),
        )
  const exchange = await startLocalExchange({
    seed,
    speed,
    ...(keptOrders === undefined ? {} : {keptOrders}),
    ...(requestsPerMinute === undefined ? {} : {requestsPerMinute}),
    clock: systemClock(),
    scheduler: systemScheduler(),
    port: wanted,
    ...(replay === undefined
      ? {
          ...(optionsOn === undefined ? {} : {optionsOn}),
          ...(symbols.length === 0 ? {} : {symbols}),
          ...(startUs === undefined ? {} : {startUs}),
        }
      : {market: replay, startUs: replay.startUs}),
  })
  void exchange.ended.then(() => tell({kind: 'ended'}))
  port.on('message', () => {
    void exchange.stop().then(() => tell({kind: 'stopped'}))
  })
  tell({
    kind: 'ready',
    url: exchange.url,
    streamUrl: exchange.streamUrl,
    startUs: exchange.exchange.nowUs,
    symbols: exchange.exchange.instruments.all().map(({symbol}) => symbol),
  })
} catch (error) {
  tell(refusalOf(error))
}
