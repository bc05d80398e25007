import {crc32} from 'node:zlib'
import type {Observation, Pattern} from './pattern.ts'

/** CRC-32 over what never changes about a pattern: its identity, context and vector. */
export const patternChecksum = ({id, symbol, strategy, regime, tsUs, vector}: Pattern): number =>
  crc32(vectorBytes(vector), crc32(JSON.stringify([id, symbol, strategy, regime, tsUs])))

export const observationChecksum = (id: string, {atUs, pnlBps}: Observation): number =>
  crc32(JSON.stringify([id, atUs, pnlBps]))

/** The vector as stored: 256 little-endian float32. A view, not a copy. */
export const vectorBytes = (vector: Float32Array): Uint8Array =>
  new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)

/** Copied, because a store's buffer need not be aligned to four bytes. */
export const vectorOfBytes = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer)
