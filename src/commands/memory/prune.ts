import {Flags} from '@oclif/core'
import {MemoryCommand} from '../../cli/memory-command.ts'
import {ProgressLine} from '../../cli/progress-line.ts'
import type {PrunePlan, PruneProgress, planPruneInSteps} from '../../memory/prune.ts'

type Result = PrunePlan & {
  readonly dryRun: boolean
  readonly evicted: number
  readonly demoted: number
  readonly promoted: number
  readonly count: number
}

export default class MemoryPrune extends MemoryCommand {
  static override summary = 'bring the bank back to its capacity, and say why each pattern goes'
  static override description =
    'In order: patterns gone quiet, near copies (the older takes over the outcomes of the newer), those under the floor, then a ranking by the lower confidence bound of profit; the best stay hot, the next cold, the rest go. Keeping what paid flatters what is left: the mean before and after is reported.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --capacity 5000 --max-age 365d --json',
  ]
  static override flags = {
    'dry-run': Flags.boolean({description: 'change nothing, explain everything'}),
    capacity: Flags.integer({description: 'patterns kept hot (default: memory.capacity)', min: 0}),
    'cold-capacity': Flags.integer({description: 'patterns kept cold beyond that', min: 0}),
    'max-age': Flags.string({description: 'drop patterns not decided, used or observed for this long'}),
    'min-distance': Flags.string({description: 'merge patterns nearer than this (1 - similarity)'}),
    'floor-bps': Flags.string({description: 'drop patterns whose lower profit bound is below this'}),
    'as-of': Flags.string({description: 'the time to judge at (default: the newest in the bank)'}),
    out: Flags.string({description: '- streams one decision a line', options: ['-']}),
  }

  async run(): Promise<Result> {
    const {flags} = await this.parse(MemoryPrune)
    const maxAgeUs = flags['max-age'] === undefined ? undefined : await this.durationUs('max-age', flags['max-age'])
    await using memory = await this.openBank(flags)
    const {newestUs, numberFlag} = await import('../../core/memory-records.ts')
    const {defaultPruneOptions, planPruneInSteps} = await import('../../memory/prune.ts')
    const minDistance = numberFlag('min-distance', flags['min-distance'])
    const floorBps = numberFlag('floor-bps', flags['floor-bps'])
    const steps = planPruneInSteps(memory.bank.patterns(), {
      ...defaultPruneOptions,
      ...memory.bank.options,
      nowUs: flags['as-of'] === undefined ? newestUs(memory.bank) : this.timeUs('as-of', flags['as-of']),
      ...(flags.capacity === undefined ? {} : {capacity: flags.capacity}),
      ...(flags['cold-capacity'] === undefined ? {} : {coldCapacity: flags['cold-capacity']}),
      ...(maxAgeUs === undefined ? {} : {maxAgeUs}),
      ...(minDistance === undefined ? {} : {minDistance}),
      ...(floorBps === undefined ? {} : {floorBps}),
    })
    const plan = await this.#planned(steps)
    const count = (action: string): number => plan.decisions.filter(decision => decision.action === action).length
    if (!flags['dry-run']) {
      memory.bank.prune(plan)
      await memory.flush()
    }
    if (flags.out === '-') await this.stream(plan.decisions)
    else for (const {id, action, reason, detail} of plan.decisions) this.log(`${action} ${id}: ${reason}, ${detail}`)
    const summary = {evicted: count('evict'), demoted: count('demote'), promoted: count('promote')}
    const tense = flags['dry-run'] ? 'would be ' : ''
    this.note(
      `${summary.evicted} ${tense}evicted, ${summary.demoted} ${tense}demoted, ${summary.promoted} ${tense}promoted; mean of the hot ${plan.meanBpsBefore.toFixed(2)} → ${plan.meanBpsAfter.toFixed(2)} bps`,
    )
    return {dryRun: flags['dry-run'] === true, ...summary, count: memory.bank.count, ...plan}
  }

  async #planned(steps: ReturnType<typeof planPruneInSteps>): Promise<PrunePlan> {
    const {planInTurns} = await import('../../core/memory-prune.ts')
    const line = this.showsProgress ? new ProgressLine('compare') : undefined
    const onProgress = ({compared, total}: PruneProgress): void => line?.update(compared, total)
    try {
      return await planInTurns(steps, {signal: this.stopSignal, onProgress})
    } finally {
      line?.clear()
    }
  }
}
