import {readdirSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import {isAlive} from './lock.ts'
import {ensureFolder} from './run-folder.ts'

/**
 * `HOME/kills/PID` while a kill is at work, so that a node with an exchange of its own keeps it open until the kill has
 * seen what it must see.
 */
export const markKill = (home: string): (() => void) => {
  const folder = path.join(home, 'kills')
  const file = path.join(folder, String(process.pid))
  try {
    ensureFolder(folder)
    writeFileSync(file, '')
  } catch {
    // A courtesy to nodes that own their exchange; a full or read-only disk must not stop a kill.
    return () => {}
  }
  return () => rmSync(file, {force: true})
}

/** Whether a kill is at work on this home now; markers of dead processes are swept. */
export const killAtWork = (home: string): boolean => {
  const folder = path.join(home, 'kills')
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  const [living, dead] = [names.filter(name => isAlive(Number(name))), names.filter(name => !isAlive(Number(name)))]
  for (const name of dead) rmSync(path.join(folder, name), {force: true})
  return living.length > 0
}
