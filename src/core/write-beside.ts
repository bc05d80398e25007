import {renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import process from 'node:process'

/** Such as `/dev/null` or a named pipe: written to, never replaced. */
export const isDevice = (file: string): boolean => {
  const there = statSync(file, {throwIfNoEntry: false})
  return there !== undefined && !there.isFile() && !there.isDirectory()
}

/** Beside the file and then into place: a reader sees the old one or the new one, and a full disk leaves no half of one. */
export const writeBeside = (file: string, content: string | Uint8Array): void => {
  if (isDevice(file)) {
    writeFileSync(file, content)
    return
  }
  const beside = `${file}.${process.pid}.tmp`
  try {
    writeFileSync(beside, content)
    renameSync(beside, file)
  } catch (error) {
    rmSync(beside, {force: true})
    throw error
  }
}
