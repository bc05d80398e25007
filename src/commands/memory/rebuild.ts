import {MemoryCommand} from '../../cli/memory-command.ts'
import type {Calibration} from '../../memory/calibrate.ts'

export default class MemoryRebuild extends MemoryCommand {
  static override summary = 'build the index afresh from the documents and calibrate when to abstain'
  static override description =
    'A damaged store is moved to quarantine/ first, and every document that matches its checksum is carried over.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --index usearch --json',
  ]

  async run(): Promise<{count: number; index: string; notices: readonly string[]; calibration: Calibration}> {
    const {flags} = await this.parse(MemoryRebuild)
    await using memory = await this.openBank(flags, {rebuild: true})
    const {newestUs} = await import('../../core/memory-records.ts')
    const calibration = await memory.calibrate(newestUs(memory.bank))
    memory.saveIndex()
    const {count, index} = memory.bank.stats()
    this.note(
      `${index} index of ${count} patterns; abstains below similarity ${calibration.minSimilarity.toFixed(3)} (${calibration.method})`,
    )
    return {count, index, notices: memory.notices, calibration}
  }
}
