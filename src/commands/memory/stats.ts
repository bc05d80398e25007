import {MemoryCommand} from '../../cli/memory-command.ts'
import type {MemoryStats as Stats} from '../../memory/bank-stats.ts'
import type {Calibration} from '../../memory/calibrate.ts'

type Result = Stats & {
  readonly directory: string
  readonly store: string
  readonly calibration: Omit<Calibration, 'curve'> | null
}

export default class MemoryStats extends MemoryCommand {
  static override summary = 'what the pattern bank holds'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<Result> {
    const {flags} = await this.parse(MemoryStats)
    await using memory = await this.openBank(flags)
    const stats = memory.stats()
    this.log(`${memory.directory} (${memory.store.kind}, ${stats.index} index)`)
    this.log(`patterns   ${stats.count} of ${stats.capacity} hot, ${stats.cold} cold, ${stats.pending} without outcome`)
    this.log(`searches   ${stats.searches}, ${(stats.hitRate * 100).toFixed(1)} % answered`)
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
