import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {KillResult} from '../core/kill.ts'
import {UserError} from '../domain/errors.ts'

/** The keys of a kill, for scripts that read both alike: nobody was asked, so nothing is known of orders and positions. */
interface Released extends Omit<KillResult, 'exitCode' | 'openOrders' | 'remoteLatch'> {
  readonly released: boolean
  readonly latched: false
  readonly openOrders: null
  /** `released`, `not latched` or `not configured`. */
  readonly remoteLatch: string
}

export default class Kill extends BaseCommand {
  static override summary = 'stop all trading: latch, cancel every order, and with --flatten close every position'
  static override description =
    'Its own process, so that it works when the node hangs or is gone. Exit code 0 only when every broker that can be reached ' +
    'confirms that nothing is open (and, with --flatten, nothing is held); 5 when that took too long; 1 when nobody could be asked. ' +
    'The latch stays until gpi kill --release.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --flatten',
    '<%= config.bin %> <%= command.id %> --flatten --json',
    '<%= config.bin %> <%= command.id %> --release',
  ]
  static override flags = {
    flatten: Flags.boolean({description: 'also close every position at the market'}),
    release: Flags.boolean({
      description: 'take the latch off, so that trading can start again',
      exclusive: ['flatten', 'broker', 'exchange'],
    }),
    home: Flags.string({description: 'folder of journals and of the latch', helpValue: 'DIR'}),
    timeout: Flags.string({description: 'time to wait for confirmation', default: '30s', helpValue: '30s'}),
    broker: Flags.option({
      options: ['local', 'alpaca'] as const,
      description: 'only this broker; alpaca is asked even if no node left a record',
    })(),
    exchange: Flags.string({description: 'also at this local exchange', helpValue: 'URL'}),
    live: Flags.boolean({description: 'with --broker alpaca: the live account instead of the paper one'}),
    reason: Flags.string({description: 'why, for the latch and the log', default: 'gpi kill'}),
  }

  async run(): Promise<Omit<KillResult, 'exitCode'> | Released> {
    const {flags} = await this.parse(Kill)
    const {killHome, killVenues, runKill} = await import('../core/kill.ts')
    const {fileLatch} = await import('../drivers/files/file-latch.ts')
    const home = killHome(flags.home, flags.config ?? [])
    const {ensureFolder} = await import('../core/run-folder.ts')
    const onDisk = fileLatch(home)
    const latch = {
      engage: (reason: string) => {
        ensureFolder(home)
        onDisk.engage(reason)
      },
      release: () => onDisk.release(),
    }
    if (flags.release) return this.#release(latch.release(), home)

    const {parseDurationMs} = await import('../core/system-clock.ts')
    const timeoutMs = parseDurationMs(flags.timeout)
    if (timeoutMs === undefined) {
      // Latched all the same: whoever types this wants trading to stop.
      latch.engage(flags.reason)
      throw new UserError('BAD_DURATION', `--timeout must be a duration, was ${JSON.stringify(flags.timeout)}`, {
        hints: ['for example 30s or 2m', 'the latch is on, but nothing has been cancelled yet'],
      })
    }
    const {markKill} = await import('../core/kill-marker.ts')
    const unmark = markKill(home)
    try {
      const redisUrl = process.env['REDIS_URL']
      const result = await runKill({
        flatten: flags.flatten,
        timeoutMs,
        reason: flags.reason,
        latch,
        venues: killVenues({
          home,
          live: flags.live,
          environment: process.env,
          ...(flags.broker === undefined ? {} : {broker: flags.broker}),
          ...(flags.exchange === undefined ? {} : {exchange: flags.exchange}),
        }),
        ...(redisUrl ? {remoteLatch: () => this.#latchInRedis(redisUrl, flags.reason)} : {}),
        nowMs: () => performance.now(),
        sleep: ms => sleep(ms, undefined, {signal: this.stopSignal}),
        onProgress: text => this.note(text),
      })
      const {exitCode, ...shown} = result
      process.exitCode = exitCode
      this.#tell(shown, flags.flatten)
      return shown
    } finally {
      unmark()
    }
  }

  async #latchInRedis(url: string, reason: string): Promise<void> {
    const {engageRedisLatch} = await import('../drivers/redis/redis-latch.ts')
    await engageRedisLatch(url, reason)
  }

  async #release(onDisk: boolean, home: string): Promise<Released> {
    const redisUrl = process.env['REDIS_URL']
    let remoteLatch = 'not configured'
    if (redisUrl) {
      const {releaseRedisLatch} = await import('../drivers/redis/redis-latch.ts')
      remoteLatch = (await releaseRedisLatch(redisUrl)) ? 'released' : 'not latched'
    }
    const released = onDisk || remoteLatch === 'released'
    this.log(released ? `latch released in ${home}` : `no latch in ${home}`)
    return {
      ...{released, latched: false, cancelled: 0, openOrders: null, flat: null, firstCancelMs: null},
      ...{elapsedMs: Math.round(performance.now() * 10) / 10, venues: [], remoteLatch},
    }
  }

  #tell(result: Omit<KillResult, 'exitCode'>, flatten: boolean): void {
    const {latchError, cancelled, openOrders, flat, firstCancelMs, elapsedMs, venues, remoteLatch} = result
    this.log(
      latchError === undefined
        ? 'latched: no node of this home sends orders until gpi kill --release'
        : `NOT LATCHED: ${latchError}`,
    )
    if (remoteLatch.startsWith('failed')) this.note(`the latch in Redis ${remoteLatch}`)
    if (venues.length === 0) this.note('no node has left a record and no broker was named: nobody to cancel at')
    for (const {venue, state, detail, positions} of venues) {
      const held = positions.map(({symbol, quantity}) => `${quantity} ${symbol}`).join(', ')
      this.log(
        `${venue}: ${state}${detail === undefined ? '' : ` (${detail})`}${held === '' ? '' : `, still held: ${held}`}`,
      )
    }
    this.log(
      `cancelled ${cancelled}, open ${openOrders}, ${flat === null ? 'positions unknown' : flat ? 'flat' : flatten ? 'NOT FLAT' : 'positions kept'}` +
        `, first cancel ${firstCancelMs === null ? 'never' : `${firstCancelMs} ms`}, ${elapsedMs} ms in all`,
    )
  }
}
