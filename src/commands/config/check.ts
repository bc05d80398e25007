import {BaseCommand} from '../../cli/base-command.ts'

export default class ConfigCheck extends BaseCommand {
  static override summary = 'check the configuration; exit code 2 names what is wrong'
  static override examples = ['<%= config.bin %> <%= command.id %> --config mine.json']

  async run(): Promise<{valid: true; hash: string}> {
    const {flags} = await this.parse(ConfigCheck)
    const {hash} = await this.loadConfig(flags)
    this.note(`configuration is valid (${hash.slice(0, 12)})`)
    return {valid: true, hash}
  }
}
