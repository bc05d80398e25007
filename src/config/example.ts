import {Config} from './schema.ts'

/** The text of `config.example.json`: every setting with its default, in the order of the schema. */
export const exampleConfig = (): string => `${JSON.stringify(Config.parse({}), undefined, 2)}\n`
