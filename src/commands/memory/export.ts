import {Flags} from '@oclif/core'
import {MemoryCommand} from '../../cli/memory-command.ts'

export default class MemoryExport extends MemoryCommand {
  static override summary = 'write every pattern with all its outcomes'
  static override description =
    'Reads the documents a batch at a time, so a bank larger than memory can be exported; other processes may go on using it.'
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
    await using store = await this.openStore(flags)
    const {patternRecords, writeRecords} = await import('../../core/memory-records.ts')
    if (flags.out !== '-') {
      const exported = await writeRecords(store, flags.out, this.stopSignal)
      this.note(`${exported} patterns written to ${flags.out}`)
      return {exported, out: flags.out}
    }
    if (!this.jsonEnabled()) await this.stream(patternRecords(store))
    return {exported: await store.count(), out: flags.out}
  }
}
