/** The operators of MongoDB's query and update languages that gpi's stores use, and no others. */
// biome-ignore lint/suspicious/noExplicitAny: a document is whatever was sent
export type Document = Record<string, any>

/** Values at a dotted path; through arrays, as MongoDB does. */
const valuesAt = (value: unknown, path: readonly string[]): unknown[] => {
  const [head, ...rest] = path
  if (head === undefined) return [value]
  if (Array.isArray(value)) return value.flatMap(item => valuesAt(item, path))
  return valuesAt((value as Document | undefined)?.[head], rest)
}

export const matches = (document: Document, filter: Document): boolean =>
  Object.entries(filter).every(([path, condition]) => {
    if (path === '$or') return (condition as Document[]).some(one => matches(document, one))
    const values = valuesAt(document, path.split('.'))
    if (condition === null || typeof condition !== 'object') return values.includes(condition)
    return Object.entries(condition as Document).every(([operator, operand]) => {
      switch (operator) {
        case '$gt':
          return values.some(value => (value as number) > operand)
        case '$ne':
          return !values.includes(operand)
        case '$in':
          return values.some(value => (operand as unknown[]).includes(value))
        default:
          throw new Error(`the double does not know the condition ${operator}`)
      }
    })
  })

/** Changes the document in place; true when that made a difference. */
export const update = (document: Document, change: Document, isNew: boolean): boolean => {
  const before = JSON.stringify(document)
  for (const [operator, fields] of Object.entries(change)) {
    for (const [name, operand] of Object.entries(fields as Document)) applyTo(document, operator, name, operand, isNew)
  }
  return JSON.stringify(document) !== before
}

const applyTo = (
  document: Document,
  operator: string,
  name: string,
  operand: Document | number,
  isNew: boolean,
): void => {
  switch (operator) {
    case '$set':
      document[name] = operand
      break
    case '$setOnInsert':
      if (isNew) document[name] = operand
      break
    case '$inc':
      document[name] = (document[name] ?? 0) + operand
      break
    case '$max':
      document[name] = Math.max(document[name] ?? Number.NEGATIVE_INFINITY, operand as number)
      break
    case '$push': {
      const {$each, $sort} = operand as Document
      document[name] = projectSorted([...(document[name] ?? []), ...$each], $sort)
      break
    }
    default:
      throw new Error(`the double does not know the update ${operator}`)
  }
}

/** By the fields in order, ascending; as it is without. */
export const projectSorted = (documents: Document[], sort: Document | undefined): Document[] => {
  const fields = Object.keys(sort ?? {})
  if (fields.length === 0) return documents
  const compare = (a: Document, b: Document, field: string): number =>
    a[field] < b[field] ? -1 : a[field] > b[field] ? 1 : 0
  return documents.toSorted((a, b) => fields.reduce((order, field) => order || compare(a, b, field), 0))
}
