import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import net from 'node:net'

/** Whether the real server is installed; tests that need it skip visibly without. */
export const hasRedisServer = ((): boolean => {
  try {
    execFileSync('redis-server', ['--version'], {stdio: 'ignore'})
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
})()

export const freePort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A server that keeps nothing on disk; resolves when it takes connections. */
export const startRedis = async (port: number): Promise<ChildProcess> => {
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let log = ''
  for await (const chunk of child.stdout.iterator({destroyOnReturn: false})) {
    log += String(chunk)
    if (log.includes('Ready to accept connections')) break
  }
  child.stdout.resume()
  return child
}

export const killHard = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
