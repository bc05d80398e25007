import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {NodeStatus, Status} from '../core/status.ts'

export default class StatusCommand extends BaseCommand {
  static override summary = 'running nodes, the kill latch, the risk state and the last run'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']
  static override flags = {
    home: Flags.string({description: 'folder of journals and of the latch', helpValue: 'DIR'}),
  }

  async run(): Promise<Status> {
    const {flags} = await this.parse(StatusCommand)
    const {config} = await this.loadConfig(flags, flags.home === undefined ? {} : {home: flags.home})
    const {readStatus} = await import('../core/status.ts')
    const status = readStatus(config.home)
    this.log(
      status.latched ? `latched: ${status.latchReason}${status.killing ? ' (a kill is at work)' : ''}` : 'not latched',
    )
    if (status.nodes.length === 0) this.log('no node is running')
    for (const node of status.nodes) this.log(line(node))
    for (const node of status.stale)
      this.log(`stale: ${line(node)}; gpi trade reconciles, gpi kill cancels what it left`)
    for (const file of status.unreadable) this.note(`cannot read ${file}`)
    const last = status.lastRun as {runId?: string; stoppedBy?: string; fills?: number} | undefined
    if (last !== undefined) this.log(`last run ${last.runId}: stopped by ${last.stoppedBy}, ${last.fills} fills`)
    return status
  }
}

const line = ({runId, pid, broker, exchangeUrl, strategies, symbols, risk}: NodeStatus): string => {
  const money = (micros: number) => (micros / 1e6).toFixed(2)
  const told =
    risk === undefined
      ? 'no risk state yet'
      : `${risk.state}, equity ${money(risk.equityMicros)}, P&L ${money(risk.pnlMicros)}, drawdown ${(risk.drawdown * 100).toFixed(2)} %, ${risk.openOrders} open orders`
  return `${runId} (process ${pid}) at ${broker} ${exchangeUrl}: ${strategies.join(', ')} on ${symbols.join(', ')}; ${told}`
}
