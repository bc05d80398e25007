import {Box, Text} from 'ink'
import type {ReactNode} from 'react'
import type {PositionEvent, RiskEvent} from '../core/trade-events.ts'
import {
  clockTime,
  cut,
  cutRight,
  dollars,
  latency,
  marketTime,
  percent,
  price,
  quantity,
  signedDollars,
  sparkline,
} from './format.ts'
import type {TradeModel} from './trade-model.ts'

export interface TradeViewProps {
  readonly model: TradeModel
  readonly columns: number
  /** Rows the frame may use: one less than the terminal has, or it flickers. */
  readonly rows: number
}

/** The whole screen: what is held, what it earns, what risk says, how fast it is, what was said and done last. */
export const TradeView = ({model, columns, rows}: TradeViewProps): ReactNode => {
  const width = Math.max(40, columns)
  const left = width >= 100 ? Math.floor((width - 1) / 2) : width
  const right = width >= 100 ? width - left - 1 : width
  const wide = width >= 100
  const heading = 3
  const body = Math.max(6, rows - heading - 1)
  // The log takes what it needs, so that a short one leaves its rows to what is held and traded.
  const logRows = Math.max(2, Math.min(8, Math.floor(body * 0.3), model.log.length + 1))
  const panelRows = Math.max(2, wide ? body - logRows - 1 : Math.floor((body - logRows - 1) / 2))
  const upper = Math.ceil(panelRows / 2)
  return (
    <Box flexDirection="column" width={width} height={rows}>
      <Heading model={model} width={width} />
      {/* In a terminal too low for all of it the panels are cut at their end; the heading and the last lines stay. */}
      <Box flexDirection={wide ? 'row' : 'column'} columnGap={1} flexShrink={1} overflow="hidden">
        <Box flexDirection="column" width={left} flexShrink={0}>
          <Positions model={model} width={left} rows={upper} />
          {wide ? <Fills model={model} width={left} rows={panelRows - upper} /> : null}
        </Box>
        <Box flexDirection="column" width={right} flexShrink={0}>
          <Risk model={model} width={right} rows={wide ? 5 : 3} />
          {wide ? (
            <Signals model={model} width={right} rows={Math.max(1, panelRows - 7)} />
          ) : (
            <Narrow model={model} width={right} rows={Math.max(2, body - upper - logRows - 6)} />
          )}
        </Box>
      </Box>
      <Box flexGrow={1} />
      <Log model={model} width={width} rows={logRows} />
      <Text dimColor wrap="truncate">
        {cut('q stop · gpi kill --flatten stops everything from another terminal', width)}
      </Text>
    </Box>
  )
}

const Heading = ({model, width}: {readonly model: TradeModel; readonly width: number}): ReactNode => {
  const {run, risk, counts} = model
  const title = run === undefined ? '' : ` · ${run.runId} · ${run.broker} · ${run.feed}`
  const state = model.stoppedBy === undefined ? (risk?.state ?? 'starting') : `stopped by ${model.stoppedBy}`
  const isWide = width >= 100
  const tally = `signals ${counts.signals} · orders ${counts.orders} · fills ${counts.fills} · refused ${counts.rejected}`
  return (
    <Box flexDirection="column" flexShrink={0}>
      <Text wrap="truncate">
        <Text bold>gpi trade{isWide ? title : ''}</Text>{' '}
        <Text color={stateColour(risk?.state)}>{state.toUpperCase()}</Text>
        {/* What is cut off in a narrow terminal is where, not whether it trades. */}
        <Text bold>{isWide ? '' : title}</Text>
      </Text>
      <Text wrap="truncate">
        {marketTime(model.nowUs)} {width >= 100 ? 'New York' : 'NY'}
        {run !== undefined && run.speed !== 1 ? ` ×${run.speed}` : ''} · {tally}
      </Text>
      <Text dimColor>{'─'.repeat(width)}</Text>
    </Box>
  )
}

/** Yellow and cyan, which warnings and titles usually have, cannot be read on a light background. */
const WARNING = 'magenta'

const stateColour = (state: RiskEvent['state'] | undefined): string => {
  switch (state) {
    case undefined:
      return 'gray'
    case 'active':
      return 'green'
    case 'reducing':
      return WARNING
    case 'halted':
    case 'latched':
      return 'red'
    default:
      state satisfies never
      return 'gray'
  }
}

interface PanelProps {
  readonly model: TradeModel
  readonly width: number
  /** Lines under the panel's title. */
  readonly rows: number
}

const Panel = ({title, children}: {readonly title: string; readonly children: ReactNode}): ReactNode => (
  <Box flexDirection="column" flexShrink={0}>
    <Text bold wrap="truncate">
      {title}
    </Text>
    {children}
  </Box>
)

/** Lines padded with blanks to `rows`, so that the panels below never jump. */
const padded = (lines: readonly ReactNode[], rows: number): ReactNode[] => {
  const blanks = rows - lines.length
  return blanks > 0 ? [...lines, <Text key="blank">{' \n'.repeat(blanks - 1)} </Text>] : lines.slice(0, rows)
}

const Positions = ({model, width, rows}: PanelProps): ReactNode => {
  const held = [...model.positions.values()]
  const hidden = held.length > rows - 1 ? ` (${held.length - rows + 1} more)` : ''
  return (
    <Panel title={`positions${hidden}`}>
      {padded(
        [
          <Text key="head" dimColor wrap="truncate">
            {columnsOf(['symbol', 'size', 'entry', 'price', 'P&L $'], width)}
          </Text>,
          ...held.map(position => <PositionLine key={position.symbol} position={position} width={width} />),
        ],
        rows,
      )}
    </Panel>
  )
}

const PositionLine = ({position, width}: {readonly position: PositionEvent; readonly width: number}): ReactNode => (
  <Text wrap="truncate" {...colourOf(position.unrealizedMicros)}>
    {columnsOf(
      [
        position.symbol,
        quantity(position.size),
        price(position.averageEntry),
        price(position.price),
        signedDollars(position.unrealizedMicros),
      ],
      width,
    )}
  </Text>
)

const colourOf = (micros: number): {readonly color?: string} =>
  micros === 0 ? {} : {color: micros > 0 ? 'green' : 'red'}

/** First column left, the others right, all as wide as the panel allows. */
const columnsOf = ([first = '', ...others]: readonly string[], width: number): string => {
  const each = Math.max(8, Math.min(13, Math.floor((width - 10) / others.length)))
  return (
    cut(first, Math.max(8, Math.min(22, width - each * others.length))) +
    others.map(text => cutRight(text, each)).join('')
  )
}

const Fills = ({model, width, rows}: PanelProps): ReactNode => (
  <Panel title="fills">
    {padded(
      model.fills.map(fill => (
        <Text key={fill.fillId} wrap="truncate">
          {cut(
            `${clockTime(fill.tsUs)} ${fill.side.padEnd(4)} ${quantity(fill.size)} ${fill.symbol} @ ${price(fill.price)} ${fill.strategy}`,
            width,
          )}
        </Text>
      )),
      Math.max(1, rows - 1),
    )}
  </Panel>
)

const Risk = ({model, width, rows}: PanelProps): ReactNode => {
  const {risk, latency: measured} = model
  const lines =
    risk === undefined
      ? []
      : [
          <Text key="equity" wrap="truncate">
            {`equity $${dollars(risk.equityMicros)}  P&L `}
            <Text {...colourOf(risk.pnlMicros)}>{signedDollars(risk.pnlMicros)}</Text>
            {`  fees ${dollars(risk.feesMicros)}`}
          </Text>,
          <Text key="drawdown" wrap="truncate">
            {`drawdown ${percent(risk.drawdown)} of ${percent(risk.limits.maxDrawdown, 0)}  gross $${dollars(risk.grossMicros, 0)}  open orders ${risk.openOrders}${requestsOf(model)}`}
          </Text>,
          <Text key="latency" wrap="truncate">
            {measured === undefined
              ? 'latency -'
              : `decision p50 ${latency(measured.decisionUs.p50)} p99 ${latency(measured.decisionUs.p99)} · total p99 ${latency(measured.totalUs.p99)}`}
          </Text>,
          <Text key="loop" wrap="truncate">
            {measured === undefined
              ? ' '
              : `events ${measured.events.toLocaleString('en-US')} (${Math.round(measured.eventsPerSecond).toLocaleString('en-US')}/s) · loop delay p99 ${measured.loopDelayMs.p99.toFixed(1)} ms`}
          </Text>,
          <Text key="curve" color="blue" wrap="truncate">
            {sparkline(model.equity, width - 1)}
          </Text>,
        ]
  return <Panel title="risk">{padded(lines, rows)}</Panel>
}

/** Of the minute that ends now; absent where the venue sets no limit. */
const requestsOf = ({requests}: TradeModel): string =>
  requests === undefined ? '' : `  requests ${requests.lastMinute}/${requests.perMinute}`

const Signals = ({model, width, rows}: PanelProps): ReactNode => (
  <Panel title="last signals">
    {padded(
      model.signals.length === 0
        ? [
            <Text key="none" dimColor>
              none yet
            </Text>,
          ]
        : model.signals.map(signal => (
            <Text key={`${signal.strategy} ${signal.symbol}`} wrap="truncate">
              {cut(
                `${clockTime(signal.tsUs)} ${arrow(signal.direction)} ${signal.symbol.padEnd(8)} ${percent(signal.confidence, 0).padStart(5)} ${signal.strategy}`,
                width,
              )}
            </Text>
          )),
      rows,
    )}
  </Panel>
)

/** Signals and fills one above the other, where there is no room beside each other. */
const Narrow = ({model, width, rows}: PanelProps): ReactNode => {
  if (model.signals.length === 0) return <Fills model={model} width={width} rows={rows + 1} />
  const signals = Math.max(1, Math.min(model.signals.length, Math.floor(rows / 2)))
  return (
    <>
      <Signals model={model} width={width} rows={signals} />
      <Fills model={model} width={width} rows={rows - signals} />
    </>
  )
}

const arrow = (direction: -1 | 0 | 1): string => (direction > 0 ? '▲' : direction < 0 ? '▼' : '·')

const Log = ({model, width, rows}: PanelProps): ReactNode => (
  <Panel title="log">
    {padded(
      model.log.slice(1 - rows).map(({id, tsUs, level, text}) => (
        <Text key={id} wrap="truncate" {...(level === 'info' ? {} : {color: level === 'warn' ? WARNING : 'red'})}>
          {cut(`${clockTime(tsUs)} ${text}`, width)}
        </Text>
      )),
      rows - 1,
    )}
  </Panel>
)
