import {styleText} from 'node:util'
import {BaseCommand} from '../cli/base-command.ts'
import type {Check} from '../core/doctor.ts'

const MARK = {
  ok: styleText('green', 'ok    '),
  warn: styleText('yellow', 'warn  '),
  fail: styleText('red', 'fail  '),
  absent: styleText('dim', 'absent'),
}

export default class Doctor extends BaseCommand {
  static override summary = 'check this machine: runtime, drivers, servers, keys, disk'
  static override description =
    'Exit code 0 when nothing failed, 1 otherwise. What is optional and absent is not a failure.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<{healthy: boolean; checks: readonly Check[]}> {
    const {flags} = await this.parse(Doctor)
    const {config} = await this.loadConfig(flags)
    const {examine} = await import('../core/doctor.ts')
    const checks = await examine(config, process.env)
    for (const {name, status, detail, hint} of checks) {
      this.log(`${MARK[status]} ${name.padEnd(12)} ${detail}`)
      if (hint !== undefined) this.log(`${' '.repeat(20)}${styleText('cyan', 'try')} ${hint}`)
    }
    const healthy = checks.every(({status}) => status !== 'fail')
    if (!healthy) process.exitCode = 1
    return {healthy, checks}
  }
}
