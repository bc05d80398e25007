import {BaseCommand} from '../../cli/base-command.ts'
import type {Config} from '../../config/schema.ts'

export default class ConfigExample extends BaseCommand {
  static override summary = 'print a configuration file with every setting at its default'
  static override examples = ['<%= config.bin %> <%= command.id %> > gpi.config.json']

  async run(): Promise<Config> {
    await this.parse(ConfigExample)
    const {exampleConfig} = await import('../../config/example.ts')
    const text = exampleConfig()
    if (!this.jsonEnabled()) process.stdout.write(text)
    return JSON.parse(text)
  }
}
