import {readFile} from 'node:fs/promises'
import process from 'node:process'
import {type ConfigLayer, environmentLayers, type ResolvedConfig, resolveConfig} from '../config/resolve.ts'
import {UserError} from '../domain/errors.ts'

export interface ConfigInput {
  /** Later wins; `-` is standard input. */
  readonly files: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly overrides: Readonly<Record<string, unknown>>
}

/** Reads `gpi.config.json` of the working folder where no file is named, then the layers in order of strength. */
export const loadConfig = async ({files, environment, overrides}: ConfigInput): Promise<ResolvedConfig> => {
  const named = files.length > 0 ? await Promise.all(files.map(readLayer)) : await implicitLayer()
  const flags: ConfigLayer[] = Object.keys(overrides).length > 0 ? [{source: 'command line', values: overrides}] : []
  return resolveConfig([...named, ...environmentLayers(environment), ...flags])
}

export const IMPLICIT_FILE = 'gpi.config.json'

const implicitLayer = async (): Promise<ConfigLayer[]> => {
  try {
    return [parseLayer(IMPLICIT_FILE, await readFile(IMPLICIT_FILE, 'utf8'))]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const readLayer = async (file: string): Promise<ConfigLayer> => {
  if (file === '-') return parseLayer('standard input', await readStdin())
  try {
    return parseLayer(file, await readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError(
      'CONFIG_UNREADABLE',
      `cannot read configuration ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`,
      {
        hints: ['gpi init writes a configuration file'],
        cause: error,
      },
    )
  }
}

const parseLayer = (source: string, text: string): ConfigLayer => {
  try {
    return {source, values: JSON.parse(text)}
  } catch (error) {
    throw new UserError('CONFIG_NOT_JSON', `${source} is not JSON: ${(error as Error).message}`, {cause: error})
  }
}

const readStdin = async (): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
