import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {InitResult} from '../core/init.ts'

export default class Init extends BaseCommand {
  static override summary = 'make a home, a configuration file and the stores; safe to repeat'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --file desk.json',
  ]
  static override flags = {
    file: Flags.string({
      description: 'configuration file to write where there is none',
      default: 'gpi.config.json',
      helpValue: 'FILE',
    }),
  }

  async run(): Promise<InitResult> {
    const {flags} = await this.parse(Init)
    const {config} = await this.loadConfig(flags)
    const {initialise} = await import('../core/init.ts')
    const result = await initialise(config, {configFile: flags.file, environment: process.env})
    for (const file of result.created) this.log(`made  ${file}`)
    for (const file of result.kept) this.log(`kept  ${file}`)
    return result
  }
}
