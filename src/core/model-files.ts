import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {ModelCard} from '../models/card.ts'
import {type ModelDescription, readModel, sha256} from '../models/model-file.ts'

const shipped = fileURLToPath(new URL('../../models/', import.meta.url))

export interface LoadedModel {
  readonly path: string
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly description: ModelDescription
  /** Absent for a file that lies alone. */
  readonly card: ModelCard | undefined
}

/** A model by path, or by name: among those trained here (`folder`), then among those shipped. */
export const findModel = (name: string, folder?: string): string => {
  const bare = name.replace(/\.onnx$/, '')
  const candidates = [
    name,
    ...(folder === undefined ? [] : [path.join(folder, `${bare}.onnx`)]),
    path.join(shipped, `${bare}.onnx`),
  ]
  const found = candidates.find(candidate => candidate.endsWith('.onnx') && existsSync(candidate))
  if (found !== undefined) return found
  throw new UserError('MODEL_NOT_FOUND', `no model "${name}"`, {
    hints: [`looked for ${candidates.join(', ')}`, 'train one: gpi train signal --data DIR'],
  })
}

export interface ModelFile {
  readonly path: string
  readonly bytes: Uint8Array
  readonly sha256: string
  /** Parsed, unchecked but for the hash; undefined for a file that lies alone. */
  readonly card: unknown
}

/** Reads any model file, and refuses one that is not the one its card describes. */
export const readModelFile = (name: string, folder?: string): ModelFile => {
  const file = findModel(name, folder)
  const bytes = new Uint8Array(readFileSync(file))
  const hash = sha256(bytes)
  const cardPath = cardOf(file)
  const card = existsSync(cardPath)
    ? (JSON.parse(readFileSync(cardPath, 'utf8')) as {readonly file?: {readonly sha256?: string}})
    : undefined
  if (card !== undefined && card.file?.sha256 !== hash) {
    throw new UserError(
      'MODEL_CHECKSUM',
      `${file} has SHA-256 ${hash.slice(0, 12)}…, its card says ${card.file?.sha256?.slice(0, 12)}…`,
      {
        hints: ['the file is damaged or was replaced: install or train it again'],
        exitCode: ExitCode.invalidData,
      },
    )
  }
  return {path: file, bytes, sha256: hash, card}
}

/** Reads a signal model and its card. */
export const loadModel = (name: string, folder?: string): LoadedModel => {
  const file = readModelFile(name, folder)
  return {...file, card: file.card as ModelCard | undefined, description: readModel(file.bytes, file.path).description}
}

export const cardOf = (modelPath: string): string => modelPath.replace(/\.onnx$/, '.card.json')

/** Writes a file whole or not at all: a full disk or a kill leaves the previous version as it was. */
export const writeWhole = (file: string, content: Uint8Array | string): void => {
  const folder = path.dirname(file)
  const temporary = path.join(folder, `.${path.basename(file)}.${process.pid}.tmp`)
  let handle: number | undefined
  try {
    mkdirSync(folder, {recursive: true})
    handle = openSync(temporary, 'w')
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at)
    fsyncSync(handle)
    closeSync(handle)
    handle = undefined
    renameSync(temporary, file)
  } catch (error) {
    if (handle !== undefined) closeSync(handle)
    if (existsSync(temporary)) rmSync(temporary)
    const code = (error as NodeJS.ErrnoException).code
    throw new UserError('WRITE_FAILED', `cannot write ${file}: ${code ?? (error as Error).message}`, {
      hints: ['free disk space or choose another --out; what was there before is untouched'],
      exitCode: ExitCode.failure,
      cause: error,
    })
  }
}
