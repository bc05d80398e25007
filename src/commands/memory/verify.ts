import {MemoryCommand} from '../../cli/memory-command.ts'
import {ExitCode} from '../../domain/errors.ts'

interface Result {
  readonly sound: boolean
  readonly patterns: number
  readonly observations: number
  /** What is wrong now. */
  readonly problems: readonly string[]
  /** What was found damaged on opening, and what was done about it. */
  readonly repaired: readonly string[]
}

export default class MemoryVerify extends MemoryCommand {
  static override summary = 'check every document and the index against their checksums'
  static override description =
    'Exit code 6 when anything was wrong, repaired or not. A damaged store is moved to quarantine/, a damaged index is rebuilt.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> && echo sound',
    '<%= config.bin %> <%= command.id %> --bank ./bank --json',
  ]

  async run(): Promise<Result> {
    const {flags} = await this.parse(MemoryVerify)
    await using memory = await this.openBank(flags)
    const {patterns, observations, problems} = await memory.store.verify()
    const sound = problems.length === 0 && memory.notices.length === 0
    for (const problem of problems) this.log(problem)
    this.note(`${patterns} patterns, ${observations} outcomes: ${sound ? 'sound' : 'not sound'}`)
    if (problems.length > 0)
      this.note('gpi memory rebuild moves the store to quarantine/ and carries over what is sound')
    if (!sound) process.exitCode = ExitCode.invalidData
    return {sound, patterns, observations, problems, repaired: memory.notices}
  }
}
