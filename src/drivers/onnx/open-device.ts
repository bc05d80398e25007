import {existsSync} from 'node:fs'
import {createRequire} from 'node:module'
import path from 'node:path'
import {UserError} from '../../domain/errors.ts'

export const DEVICES = ['cpu', 'cuda', 'tensorrt', 'webgpu'] as const
export type Device = (typeof DEVICES)[number]

export interface Opened<T> {
  readonly value: T
  /** The device that runs. */
  readonly device: Device
  /** Devices that were asked for first and could not, with what the runtime said. */
  readonly skipped: readonly {readonly device: Device; readonly reason: string}[]
}

/** Provider libraries that a device needs beside the runtime and that are not there, by full path. */
export const missingLibraries = (device: Device): readonly string[] => {
  if (device !== 'cuda' && device !== 'tensorrt') return []
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  const folder = path.join(root, 'bin', 'napi-v6', process.platform, process.arch)
  const names = ['shared', 'cuda', ...(device === 'tensorrt' ? ['tensorrt'] : [])]
  return names.map(name => path.join(folder, `libonnxruntime_providers_${name}.so`)).filter(file => !existsSync(file))
}

/** What kept a device from loading: the missing files where that is it, else what the runtime said. */
export const deviceFailure = (device: Device, error: unknown): string => {
  const missing = missingLibraries(device)
  if (missing.length > 0) return `missing ${missing.join(', ')}`
  return (error as Error).message.split('\n')[0]?.slice(0, 300) ?? ''
}

/**
 * Tries devices in order and reports every one it had to skip: ONNX Runtime itself would throw at the first missing
 * library. A list of one device is a demand, not a wish.
 */
export const openOnFirst = async <T>(
  devices: readonly Device[],
  open: (device: Device) => T | Promise<T>,
): Promise<Opened<T>> => {
  const skipped: {device: Device; reason: string}[] = []
  for (const device of devices) {
    try {
      return {value: await open(device), device, skipped}
    } catch (error) {
      skipped.push({device, reason: deviceFailure(device, error)})
    }
  }
  throw new UserError('NO_DEVICE', `none of the devices ${devices.join(', ')} could load the model`, {
    hints: skipped.map(({device, reason}) => `${device}: ${reason}`),
  })
}
