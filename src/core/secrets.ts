import {readFileSync, statSync} from 'node:fs'
import {UserError} from '../domain/errors.ts'

/** Secrets come from the environment, or from a file only its owner can read named by `GPI_SECRETS_FILE`; never from argv or a config file. */
export const SECRET_NAMES = ['APCA_API_KEY_ID', 'APCA_API_SECRET_KEY', 'REDIS_URL', 'MONGODB_URL'] as const
export type SecretName = (typeof SECRET_NAMES)[number]
type Environment = Readonly<Record<string, string | undefined>>

/** Whether each secret is there, never what it is. */
export const secretsOf = (environment: Environment): Readonly<Record<SecretName, 'set' | 'not set'>> => {
  const secrets = readSecrets(environment)
  return Object.fromEntries(SECRET_NAMES.map(name => [name, secrets[name] ? 'set' : 'not set'])) as Record<
    SecretName,
    'set' | 'not set'
  >
}

export const readSecrets = (environment: Environment): Readonly<Partial<Record<SecretName, string>>> => {
  const file = environment['GPI_SECRETS_FILE']
  const fromFile = file === undefined ? {} : readSecretsFile(file)
  const fromEnvironment = SECRET_NAMES.flatMap(name => (environment[name] ? [[name, environment[name]]] : []))
  return {...fromFile, ...Object.fromEntries(fromEnvironment)}
}

/** `NAME=value` lines. Refuses a file that others can read. */
const readSecretsFile = (file: string): Partial<Record<SecretName, string>> => {
  const stat = statSync(file, {throwIfNoEntry: false})
  if (stat === undefined) throw new UserError('SECRETS_FILE', `GPI_SECRETS_FILE names ${file}, which does not exist`)
  if ((stat.mode & 0o077) !== 0) {
    throw new UserError('SECRETS_FILE', `${file} can be read by others (mode ${(stat.mode & 0o777).toString(8)})`, {
      hints: [`chmod 600 ${file}`],
    })
  }
  const secrets: Partial<Record<SecretName, string>> = {}
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [name, ...rest] = line.split('=')
    const known = SECRET_NAMES.find(candidate => candidate === name?.trim())
    if (known !== undefined) secrets[known] = rest.join('=').trim()
  }
  return secrets
}
