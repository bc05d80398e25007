import {spawn} from 'node:child_process'
import {createServer} from 'node:net'
import path from 'node:path'
import {afterEach, describe, expect, test} from 'vitest'
import {type ExchangeEvent, serveExchange} from '../../src/core/exchange.ts'
import {until} from '../drivers/alpaca/local-rig.ts'

const settings = {seed: 3, port: 0, speed: 100, symbols: [], environment: {}}
const KEYS = {'APCA-API-KEY-ID': 'local', 'APCA-API-SECRET-KEY': 'local'}

describe('serving', () => {
  test('says where it is, then each request and order update, and what came of it', async () => {
    const stop = new AbortController()
    const events: ExchangeEvent[] = []
    const served = serveExchange(settings, stop.signal, event => events.push(event))
    const address = await until('the address', () => events.find(event => event.kind === 'exchange'))
    expect(address).toMatchObject({
      market: 'simulated',
      seed: 3,
      symbols: ['SPY', 'QQQ', 'AAPL', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC'],
    })
    const order = {symbol: 'SPY', qty: 1, side: 'buy', type: 'market', time_in_force: 'day'}
    const answer = await fetch(`${address.url}/v2/orders`, {method: 'POST', headers: KEYS, body: JSON.stringify(order)})
    expect(answer.status).toBe(200)
    await until('the fill', () => events.some(event => event.kind === 'trade-update' && event.event === 'fill'))
    stop.abort()
    expect(await served).toMatchObject({stoppedBy: 'signal', orders: 1, fills: 1, requests: 1})
    expect(events.filter(({kind}) => kind === 'request')).toMatchObject([
      {method: 'POST', path: '/v2/orders', status: 200},
    ])
  })

  test('keys come from the environment and replace the public ones', async () => {
    const stop = new AbortController()
    const events: ExchangeEvent[] = []
    const served = serveExchange(
      {...settings, environment: {GPI_EXCHANGE_KEY: 'k', GPI_EXCHANGE_SECRET: 's'}},
      stop.signal,
      event => events.push(event),
    )
    const {url} = (await until('the address', () => events[0])) as Extract<ExchangeEvent, {kind: 'exchange'}>
    const status = async (headers: Record<string, string>) => (await fetch(`${url}/v2/clock`, {headers})).status
    expect([await status(KEYS), await status({'APCA-API-KEY-ID': 'k', 'APCA-API-SECRET-KEY': 's'})]).toEqual([401, 200])
    stop.abort()
    await served
  })

  test.each([
    [{speed: 0}, 'INVALID_SPEED'],
    [{speed: Number.NaN}, 'INVALID_SPEED'],
    [{at: 'yesterday'}, 'INVALID_TIME'],
    [{environment: {GPI_EXCHANGE_KEY: 'k'}}, 'HALF_CREDENTIALS'],
    [{data: '/nowhere/at/all'}, 'EMPTY_CATALOG'],
  ])('refuses %j', async (change, code) => {
    await expect(
      serveExchange({...settings, ...change}, new AbortController().signal, () => undefined),
    ).rejects.toMatchObject({
      exitCode: expect.any(Number),
      code: code === 'EMPTY_CATALOG' ? expect.any(String) : code,
    })
  })
})

describe('the command', () => {
  const children: {kill: (signal: NodeJS.Signals) => boolean}[] = []
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
  const start = (...args: string[]) => {
    const file = path.resolve('src/commands/exchange.ts')
    const code = `import C from ${JSON.stringify(file)}; await C.run(${JSON.stringify(args)}, {root: ${JSON.stringify(path.resolve('.'))}})`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {env: {...process.env, NO_COLOR: '1'}})
    children.push(child)
    const out = {text: '', errors: ''}
    child.stdout.on('data', chunk => {
      out.text += chunk
    })
    child.stderr.on('data', chunk => {
      out.errors += chunk
    })
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    return {child, out, ended}
  }

  test('prints its address for people and for scripts, and leaves cleanly on SIGINT', async () => {
    const {child, out, ended} = start('--port', '0', '--events')
    const line = await until('a line', () => out.text.includes('\n') && out.text.split('\n')[0], 20_000)
    const {url, kind} = JSON.parse(line)
    expect(kind).toBe('exchange')
    expect(out.errors).toContain(url)
    expect((await fetch(`${url}/v2/clock`, {headers: KEYS})).status).toBe(200)
    await until('the request', () => out.text.split('\n').length > 2)
    child.kill('SIGINT')
    expect(await ended).toBe(0)
    expect(JSON.parse(out.text.split('\n')[1] ?? '')).toMatchObject({kind: 'request', path: '/v2/clock', status: 200})
  })

  test('a port in use is exit 2 with a hint', async () => {
    const blocker = createServer()
    await new Promise<void>(resolve => blocker.listen(0, '127.0.0.1', () => resolve()))
    const {port} = blocker.address() as {port: number}
    const {out, ended} = start('--port', String(port))
    expect(await ended).toBe(2)
    expect(out.errors).toContain(`port ${port} on 127.0.0.1 is in use`)
    expect(out.errors).toContain('--port 0')
    blocker.close()
  })
})
