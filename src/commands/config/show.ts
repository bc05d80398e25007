import {styleText} from 'node:util'
import {BaseCommand} from '../../cli/base-command.ts'
import type {Config} from '../../config/schema.ts'

interface ShownConfig {
  readonly config: Config
  readonly sources: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly hash: string
}

export default class ConfigShow extends BaseCommand {
  static override summary = 'print the resolved configuration and where each value comes from'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --config mine.json --json',
  ]

  async run(): Promise<ShownConfig> {
    const {flags} = await this.parse(ConfigShow)
    const {config, sources, hash} = await this.loadConfig(flags)
    const {secretsOf} = await import('../../core/secrets.ts')
    const secrets = secretsOf(process.env)
    const {leaves} = await import('../../config/resolve.ts')
    for (const path of leaves(config)) {
      const value = path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], config)
      const source = sources.get(path) ?? 'default'
      this.log(`${path.padEnd(44)} ${JSON.stringify(value).padEnd(16)} ${styleText('dim', source)}`)
    }
    for (const [name, state] of Object.entries(secrets))
      this.log(`${name.padEnd(44)} ${state.padEnd(16)} ${styleText('dim', 'environment')}`)
    return {config, sources: Object.fromEntries(sources), secrets, hash}
  }
}
