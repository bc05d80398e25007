import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'

export default class StrategyNew extends BaseCommand {
  static override summary = 'write a strategy file to start from'
  static override examples = [
    '<%= config.bin %> <%= command.id %> mean-reversion',
    '<%= config.bin %> <%= command.id %> mean-reversion --dir strategies && <%= config.bin %> backtest --data data --strategy ./strategies/mean-reversion.ts',
  ]
  static override args = {name: Args.string({description: 'name in kebab-case', required: true})}
  static override flags = {dir: Flags.string({description: 'folder to write to', default: '.', helpValue: 'DIR'})}

  async run(): Promise<{readonly file: string}> {
    const {args, flags} = await this.parse(StrategyNew)
    const {writeNewStrategy} = await import('../../core/new-strategy.ts')
    const file = await writeNewStrategy(args.name, flags.dir)
    this.log(file)
    return {file}
  }
}
