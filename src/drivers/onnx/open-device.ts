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
      skipped.push({device, reason: (error as Error).message})
    }
  }
  throw new UserError('NO_DEVICE', `none of the devices ${devices.join(', ')} could load the model`, {
    hints: skipped.map(({device, reason}) => `${device}: ${reason}`),
  })
}
