import {UserError} from '../domain/errors.ts'

/** A decimal from a flag; oclif itself only knows integers. */
export const parseNumber = (
  flag: string,
  text: string,
  {min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY} = {},
): number => {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= min && value <= max) return value
  const range = [Number.isFinite(min) ? `at least ${min}` : '', Number.isFinite(max) ? `at most ${max}` : '']
    .filter(Boolean)
    .join(', ')
  throw new UserError('FLAG_INVALID', `${flag} must be a number${range && ` (${range})`}, was ${JSON.stringify(text)}`)
}
