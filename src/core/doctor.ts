import {accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statfsSync} from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import process from 'node:process'
import type {Config} from '../config/schema.ts'
import {isAlive} from './lock.ts'
import {readSecrets} from './secrets.ts'

export interface Check {
  readonly name: string
  /** `absent`: optional and not configured or not installed, which is fine. */
  readonly status: 'ok' | 'warn' | 'fail' | 'absent'
  readonly detail: string
  readonly hint?: string
}

/** Looks at everything gpi can use on this machine and says what it found; nothing is changed. */
export const examine = async (
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Check[]> => {
  const secrets = readSecrets(environment)
  return Promise.all([
    runtime(),
    home(config.home),
    staleNodes(config.home),
    module('sqlite', async () => {
      const {DatabaseSync} = await import('node:sqlite')
      using database = new DatabaseSync(':memory:')
      return `SQLite ${(database.prepare('select sqlite_version() as v').get() as {v: string}).v}`
    }),
    module('duckdb', async () => `DuckDB ${(await import('@duckdb/node-api')).version()}`),
    module('onnxruntime', async () => {
      const ort = await import('onnxruntime-node')
      const backends = ort
        .listSupportedBackends()
        .map(({name, bundled}) => (bundled ? name : `${name} (library not bundled)`))
      return `ONNX Runtime, providers: ${backends.join(', ')}`
    }),
    gpu(),
    optional('usearch', 'graph index, where memory.index is "usearch"', async () =>
      (await import('../drivers/usearch/usearch-index.ts')).loadUsearchDriver(),
    ),
    optional('faiss', 'FAISS indexes; npm run build:faiss compiles it', async () =>
      (await import('../drivers/faiss/faiss-index.ts')).loadFaissDriver('flat'),
    ),
    server('redis', secrets.REDIS_URL, 'REDIS_URL', 6379),
    server('mongodb', secrets.MONGODB_URL, 'MONGODB_URL', 27017),
    alpaca(secrets.APCA_API_KEY_ID, secrets.APCA_API_SECRET_KEY),
    models(config.model.directory),
  ])
}

const runtime = async (): Promise<Check> => {
  const major = Number(process.versions.node.split('.')[0])
  return major >= 24
    ? {name: 'runtime', status: 'ok', detail: `Node ${process.versions.node}`}
    : {
        name: 'runtime',
        status: 'fail',
        detail: `Node ${process.versions.node} is too old`,
        hint: 'run gpi through bin/run.js or npx, which use the bundled Node',
      }
}

const home = async (folder: string): Promise<Check> => {
  try {
    mkdirSync(folder, {recursive: true})
    accessSync(folder, constants.W_OK)
    const {bavail, bsize} = statfsSync(folder)
    const gigabytes = (bavail * bsize) / 1e9
    const detail = `${path.resolve(folder)}, ${gigabytes.toFixed(1)} GB free`
    return gigabytes < 1
      ? {name: 'home', status: 'warn', detail, hint: 'free some disk: journals stop the run when it is full'}
      : {name: 'home', status: 'ok', detail}
  } catch (error) {
    return {
      name: 'home',
      status: 'fail',
      detail: `${folder} cannot be written: ${(error as Error).message}`,
      hint: 'choose another with GPI__HOME',
    }
  }
}

const staleNodes = async (folder: string): Promise<Check> => {
  const nodes = path.join(folder, 'nodes')
  const files = existsSync(nodes) ? readdirSync(nodes).filter(file => file.endsWith('.json')) : []
  const stale = files.filter(file => {
    const {pid} = JSON.parse(readFileSync(path.join(nodes, file), 'utf8')) as {pid?: number}
    return !isAlive(pid ?? 0)
  })
  return stale.length === 0
    ? {name: 'nodes', status: 'ok', detail: `${files.length} running`}
    : {
        name: 'nodes',
        status: 'warn',
        detail: `${stale.length} ended without saying goodbye: ${stale.join(', ')}`,
        hint: 'gpi trade reconciles them at its next start',
      }
}

const module = async (name: string, load: () => Promise<string>): Promise<Check> => {
  try {
    return {name, status: 'ok', detail: await load()}
  } catch (error) {
    return {
      name,
      status: 'fail',
      detail: (error as Error).message.split('\n')[0] ?? 'failed to load',
      hint: 'npm ci installs it',
    }
  }
}

const optional = async (name: string, use: string, load: () => Promise<unknown>): Promise<Check> =>
  (await load()) === undefined
    ? {name, status: 'absent', detail: `not installed: ${use}`}
    : {name, status: 'ok', detail: `installed: ${use}`}

/** The GPU providers of ONNX Runtime are separate libraries; says which file is missing and how to get it. */
const gpu = async (): Promise<Check> => {
  if (!existsSync('/dev/nvidiactl') && !existsSync('/proc/driver/nvidia/version')) {
    return {name: 'gpu', status: 'absent', detail: 'no NVIDIA driver on this machine; models run on the CPU'}
  }
  const folder = path.join(
    path.dirname(new URL(import.meta.resolve('onnxruntime-node')).pathname),
    '../bin/napi-v6',
    process.platform,
    process.arch,
  )
  const missing = [
    'libonnxruntime_providers_shared.so',
    'libonnxruntime_providers_cuda.so',
    'libonnxruntime_providers_tensorrt.so',
  ].filter(file => !existsSync(path.join(folder, file)))
  return missing.length === 0
    ? {name: 'gpu', status: 'ok', detail: 'CUDA and TensorRT providers are installed'}
    : {
        name: 'gpu',
        status: 'warn',
        detail: `a GPU is here but ${missing.join(', ')} is not in ${folder}`,
        hint: 'npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12',
      }
}

const server = async (name: string, url: string | undefined, variable: string, defaultPort: number): Promise<Check> => {
  if (url === undefined) return {name, status: 'absent', detail: `not configured (${variable})`}
  const {hostname, port} = new URL(url)
  const reached = await connects(hostname, Number(port) || defaultPort)
  return reached
    ? {name, status: 'ok', detail: `${hostname}:${port || defaultPort} answers`}
    : {
        name,
        status: 'fail',
        detail: `${hostname}:${port || defaultPort} does not answer`,
        hint: `start the server or unset ${variable}`,
      }
}

const connects = (host: string, port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = net.connect({host, port, timeout: 2000})
    const end = (reached: boolean) => {
      socket.destroy()
      resolve(reached)
    }
    socket
      .on('connect', () => end(true))
      .on('error', () => end(false))
      .on('timeout', () => end(false))
  })

/** With keys: one request, which proves the keys and measures how far this clock is from the venue's. */
const alpaca = async (key: string | undefined, secret: string | undefined): Promise<Check> => {
  const name = 'alpaca'
  if (key === undefined || secret === undefined) {
    return {
      name,
      status: 'absent',
      detail: 'no APCA_API_KEY_ID and APCA_API_SECRET_KEY; gpi trade uses the local exchange',
    }
  }
  try {
    const sent = Date.now()
    const answer = await fetch('https://paper-api.alpaca.markets/v2/clock', {
      headers: {'APCA-API-KEY-ID': key, 'APCA-API-SECRET-KEY': secret},
      signal: AbortSignal.timeout(5000),
    })
    if (!answer.ok)
      return {
        name,
        status: 'fail',
        detail: `keys are refused (HTTP ${answer.status})`,
        hint: 'check the keys; paper and live have different ones',
      }
    const {timestamp} = (await answer.json()) as {timestamp: string}
    const skewMs = Math.round(Date.parse(timestamp) - (sent + Date.now()) / 2)
    const detail = `paper account answers, clock skew ${skewMs} ms`
    return Math.abs(skewMs) > 1000
      ? {name, status: 'warn', detail, hint: 'set the clock: orders and quotes are timed'}
      : {name, status: 'ok', detail}
  } catch (error) {
    return {
      name,
      status: 'fail',
      detail: `Alpaca cannot be reached: ${(error as Error).message}`,
      hint: 'check the network',
    }
  }
}

const models = async (directory: string): Promise<Check> => {
  const folder = existsSync(directory) ? directory : path.resolve(import.meta.dirname, '../../models')
  const names = existsSync(folder) ? readdirSync(folder).filter(file => file.endsWith('.card.json')) : []
  return names.length === 0
    ? {name: 'models', status: 'warn', detail: `no model in ${folder}`, hint: 'gpi train signal makes one'}
    : {name: 'models', status: 'ok', detail: names.map(file => file.replace('.card.json', '')).join(', ')}
}
