import {UserError} from '../domain/errors.ts'

/** Values are JSON where they parse as JSON, else text; `a.b=1` is for strategy `a` where that is one of them. */
export const paramsByStrategy = (
  params: readonly string[],
  names: readonly string[],
): Map<string, Record<string, unknown>> => {
  const byStrategy = new Map<string, Record<string, unknown>>(names.map(name => [name, {}]))
  for (const text of params) {
    const at = text.indexOf('=')
    if (at <= 0)
      throw new UserError('BAD_PARAMETER', `--param must be key=value, was ${JSON.stringify(text)}`, {
        hints: ['--param riskAversion=0.2', '--param market-making.riskAversion=0.2'],
      })
    const key = text.slice(0, at)
    const value = parseValue(text.slice(at + 1))
    const owner = names.find(name => key.startsWith(`${name}.`))
    const targets = owner === undefined ? names : [owner]
    const bare = owner === undefined ? key : key.slice(owner.length + 1)
    if (owner === undefined && names.length > 1)
      throw new UserError('BAD_PARAMETER', `--param ${key} must name its strategy, because several run`, {
        hints: names.map(name => `--param ${name}.${key}=…`),
      })
    for (const name of targets) (byStrategy.get(name) as Record<string, unknown>)[bare] = value
  }
  return byStrategy
}

const parseValue = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
