import {PassThrough, Writable} from 'node:stream'
import {parentPort, workerData} from 'node:worker_threads'
import {render} from 'ink'
import {type ReactNode, useSyncExternalStore} from 'react'
import type {ViewAnswer, ViewMessage} from './render-trade.ts'
import {emptyTradeModel, reduceTrade, type TradeModel} from './trade-model.ts'
import {TradeView} from './trade-view.tsx'

/** The thread behind `renderTrade`: Ink draws on a stream that hands every byte to the thread that owns the terminal. */
const FRAMES_PER_SECOND = 12
const port = parentPort
if (port === null) throw new Error('trade-worker runs in a worker thread only')
const answer = (message: ViewAnswer): void => port.postMessage(message)

const terminal = Object.assign(
  new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      answer({kind: 'output', text: chunk.toString()})
      done()
    },
  }),
  {isTTY: true, ...(workerData as {readonly columns: number; readonly rows: number})},
)

let model = emptyTradeModel
const listeners = new Set<() => void>()
const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

const Screen = (): ReactNode => {
  const shown: TradeModel = useSyncExternalStore(subscribe, () => model)
  return <TradeView model={shown} columns={terminal.columns} rows={Math.max(10, terminal.rows - 1)} />
}

const app = render(<Screen />, {
  stdout: terminal as unknown as NodeJS.WriteStream,
  stdin: new PassThrough() as unknown as NodeJS.ReadStream,
  interactive: true,
  exitOnCtrlC: false,
  patchConsole: false,
  maxFps: FRAMES_PER_SECOND,
  incrementalRendering: true,
})

const onMessage = async (message: ViewMessage): Promise<void> => {
  switch (message.kind) {
    case 'events':
      model = message.events.reduce(reduceTrade, model)
      for (const listener of listeners) listener()
      return
    case 'size':
      Object.assign(terminal, {columns: message.columns, rows: message.rows})
      terminal.emit('resize')
      model = {...model}
      for (const listener of listeners) listener()
      return
    case 'close':
      await app.waitUntilRenderFlush()
      app.unmount()
      await app.waitUntilExit()
      answer({kind: 'closed'})
      return
    default:
      message satisfies never
  }
}
port.on('message', (message: ViewMessage) => void onMessage(message))
