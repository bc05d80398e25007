import {BaseCommand} from '../../cli/base-command.ts'

export default class ConfigSchema extends BaseCommand {
  static override summary = 'print the JSON schema of the configuration, for editors'
  static override examples = ['<%= config.bin %> <%= command.id %> > gpi.schema.json']

  async run(): Promise<unknown> {
    await this.parse(ConfigSchema)
    const [{z}, {Config}] = await Promise.all([import('zod'), import('../../config/schema.ts')])
    const schema = z.toJSONSchema(Config, {io: 'input'})
    if (!this.jsonEnabled()) this.log(JSON.stringify(schema, undefined, 2))
    return schema
  }
}
