import {render, useInput, useWindowSize} from 'ink'
import {type ReactNode, useSyncExternalStore} from 'react'
import type {TradeEvent} from '../core/trade-events.ts'
import {emptyTradeModel, reduceTrade, type TradeModel} from './trade-model.ts'
import {TradeView} from './trade-view.tsx'

export interface LiveView {
  readonly show: (event: TradeEvent) => void
  /** Draws the last state once more and gives the terminal back. */
  readonly close: () => Promise<void>
}

const FRAMES_PER_SECOND = 12

/** The live view on this process's terminal. `onQuit` is called for q and Ctrl-C. */
export const renderTrade = (onQuit: () => void): LiveView => {
  let model = emptyTradeModel
  let dirty = false
  const listeners = new Set<() => void>()
  const store: ModelStore = {
    subscribe: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    snapshot: () => drawn,
  }
  let drawn = model
  const draw = (): void => {
    if (!dirty) return
    dirty = false
    drawn = model
    for (const listener of listeners) listener()
  }
  const timer = setInterval(draw, 1_000 / FRAMES_PER_SECOND)
  const app = render(<Screen store={store} onQuit={onQuit} />, {
    exitOnCtrlC: false,
    maxFps: FRAMES_PER_SECOND,
    incrementalRendering: true,
    patchConsole: false,
  })
  return {
    show(event) {
      model = reduceTrade(model, event)
      dirty = true
    },
    async close() {
      clearInterval(timer)
      draw()
      await app.waitUntilRenderFlush()
      app.unmount()
      await app.waitUntilExit()
    },
  }
}

interface ModelStore {
  readonly subscribe: (listener: () => void) => () => void
  readonly snapshot: () => TradeModel
}

const Screen = ({store, onQuit}: {readonly store: ModelStore; readonly onQuit: () => void}): ReactNode => {
  const model = useSyncExternalStore(store.subscribe, store.snapshot)
  const {columns, rows} = useWindowSize()
  useInput((input, key) => {
    if (input === 'q' || (key.ctrl && input === 'c')) onQuit()
  })
  return <TradeView model={model} columns={columns} rows={Math.max(10, rows - 1)} />
}
