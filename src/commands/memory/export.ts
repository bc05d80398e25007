import {Flags} from '@oclif/core'
import {MemoryCommand} from '../../cli/memory-command.ts'

export default class MemoryExport extends MemoryCommand {
  static override summary = 'write every pattern with all its outcomes'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --out bank.parquet',
    '<%= config.bin %> <%= command.id %> --out - | jq -c .outcome',
  ]
  static override flags = {
    out: Flags.string({
      description: 'NDJSON or Parquet file, - for standard output',
      default: '-',
      helpValue: 'FILE|-',
    }),
  }

  async run(): Promise<{exported: number; out: string}> {
    const {flags} = await this.parse(MemoryExport)
    await using memory = await this.openBank(flags)
    const {patternRecords, writeRecords} = await import('../../core/memory-records.ts')
    if (flags.out === '-') {
      if (!this.jsonEnabled()) await this.stream(patternRecords(memory.bank))
    } else {
      await writeRecords(memory.bank, flags.out)
      this.note(`${memory.bank.count} patterns written to ${flags.out}`)
    }
    return {exported: memory.bank.count, out: flags.out}
  }
}
