import type {Rng} from '../domain/rng.ts'

const HEX = Array.from({length: 256}, (_, i) => i.toString(16).padStart(2, '0'))

/** A lower-case version 4 UUID from a seeded stream: the ids of a run are the same every time. */
export const uuid = (rng: Rng): string => {
  let text = ''
  for (let word = 0; word < 4; word++) {
    const bits = rng.u32()
    for (let byte = 0; byte < 4; byte++) {
      const index = word * 4 + byte
      let value = (bits >>> (8 * byte)) & 0xff
      if (index === 6) value = (value & 0x0f) | 0x40
      if (index === 8) value = (value & 0x3f) | 0x80
      text += HEX[value]
      if (index === 3 || index === 5 || index === 7 || index === 9) text += '-'
    }
  }
  return text
}

export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
