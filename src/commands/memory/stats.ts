import {MemoryCommand} from '../../cli/memory-command.ts'
import type {MemoryStats as Stats} from '../../memory/bank-stats.ts'
import type {Calibration} from '../../memory/calibrate.ts'

type Result = Stats & {
  readonly directory: string
  readonly store: string
  readonly calibration: Omit<Calibration, 'curve'> | null
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

export default class MemoryStats extends MemoryCommand {
  static override summary = 'what the pattern bank holds'
  static override description =
    'hot patterns are searched first; cold ones only when those leave the question open. hitRate is the share of all searches of this bank that found evidence, that is, did not abstain.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<Result> {
    const {flags} = await this.parse(MemoryStats)
    await using memory = await this.openBank(flags)
    const stats = memory.stats()
    this.log(`${memory.directory} (${memory.store.kind}, ${stats.index} index)`)
    this.log(`hot        ${stats.hot} of ${stats.capacity}, ${megabytes(stats.bytes)}`)
    this.log(`cold       ${stats.cold} of ${stats.coldCapacity}, ${megabytes(stats.coldBytes)}`)
    this.log(`patterns   ${stats.count}, ${stats.pending} without outcome`)
    this.log(`searches   ${stats.searches}, ${(stats.hitRate * 100).toFixed(1)} % found evidence`)
    if (stats.lastUseUs > 0) this.log(`last use   ${new Date(stats.lastUseUs / 1_000).toISOString()}`)
    for (const [name, {count, uses, meanBps}] of Object.entries(stats.byStrategy)) {
      this.log(
        `${name.padEnd(24)} ${String(count).padStart(8)} patterns ${String(uses).padStart(8)} uses ${meanBps.toFixed(2).padStart(9)} bps`,
      )
    }
    const calibration = memory.calibration
    if (calibration === undefined) this.note('not calibrated yet: gpi memory rebuild finds where to abstain')
    const {curve: _, ...threshold} = calibration ?? {curve: []}
    return {
      ...{...stats, directory: memory.directory, store: memory.store.kind},
      calibration: calibration === undefined ? null : (threshold as Omit<Calibration, 'curve'>),
    }
  }
}
