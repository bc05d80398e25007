import {Flags} from '@oclif/core'
import {MemoryCommand} from '../../cli/memory-command.ts'
import type {AddResult} from '../../core/memory-records.ts'
import {ExitCode} from '../../domain/errors.ts'

export default class MemoryAdd extends MemoryCommand {
  static override summary = 'store patterns: embeddings with what happened next'
  static override description =
    'Reads pattern records. Adding a known id again adds only the outcomes it lacked, so a stopped run may be repeated. When the command ends, every counted pattern is durable.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --from patterns.ndjson',
    'cat patterns.ndjson | <%= config.bin %> <%= command.id %> --bank ./bank --json',
  ]
  static override flags = {
    from: Flags.string({
      description: 'NDJSON or Parquet file, - for standard input',
      default: '-',
      helpValue: 'FILE|-',
    }),
    horizon: Flags.string({
      description: 'when an outcome counts as known, after its pattern, where the record does not say',
      default: '1d',
    }),
    rejects: Flags.string({description: 'write refused lines here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'exit 0 although lines were refused'}),
  }

  async run(): Promise<AddResult & {count: number}> {
    const {flags} = await this.parse(MemoryAdd)
    const horizonUs = await this.durationUs('horizon', flags.horizon)
    const [{addRecords}, {requireInput}] = await Promise.all([
      import('../../core/memory-records.ts'),
      import('../../core/open-input.ts'),
    ])
    requireInput(flags.from)
    await using memory = await this.openBank(flags, {create: true})
    const result = await addRecords(memory.bank, {
      ...{from: flags.from, horizonUs, rejectsFile: flags.rejects},
      ...{flush: memory.flush, signal: this.stopSignal},
    })
    this.tellProblems(result.rejected + result.conflicting, result.problems)
    if (result.rejected > 0 && !flags['skip-invalid']) process.exitCode = ExitCode.invalidData
    const conflicts = result.conflicting > 0 ? ` (${result.conflicting} with another vector or context)` : ''
    this.note(`${result.added} added, ${result.known} known${conflicts}, ${result.rejected} refused`)
    if (result.stopped) {
      this.note('stopped: what was added is durable; the same command again adds the rest')
      process.exitCode = 130
    }
    return {...result, count: memory.bank.count}
  }
}
