import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export interface GpiResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface GpiOptions {
  readonly cwd?: string
  readonly input?: string | Buffer
  readonly env?: Readonly<Record<string, string>>
  readonly onStart?: (child: ChildProcess) => void
}

const bin = path.resolve('bin/run.js')

/** Runs the built product as a process of its own: what a user's shell does. */
export const runGpi = (args: readonly string[], {cwd, input, env, onStart}: GpiOptions = {}): Promise<GpiResult> =>
  new Promise((resolve, reject) => {
    const {
      APCA_API_KEY_ID: _key,
      APCA_API_SECRET_KEY: _secret,
      REDIS_URL: _redis,
      MONGODB_URL: _mongo,
      ...clean
    } = process.env
    const child = spawn(process.execPath, [bin, ...args], {cwd, env: {...clean, NO_COLOR: '1', ...env}, stdio: 'pipe'})
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    // A child that leaves without reading its input is the child's business.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({code, signal, stdout, stderr}))
    onStart?.(child)
  })

/** A folder that is removed with `using`. */
export const temporaryFolder = (
  name = 'gpi-',
): {readonly path: string; readonly join: (...parts: string[]) => string} & Disposable => {
  const folder = mkdtempSync(path.join(os.tmpdir(), name))
  return {
    path: folder,
    join: (...parts) => path.join(folder, ...parts),
    [Symbol.dispose]: () => rmSync(folder, {recursive: true, force: true}),
  }
}
