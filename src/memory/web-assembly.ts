/**
 * The part of the WebAssembly interface the kernels use. Every runtime gpi supports has it; its declarations are only
 * in TypeScript's browser library, which would bring `window` along.
 */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  readonly grow: (pages: number) => number
}
interface WasmApi {
  readonly Memory: new (limits: {readonly initial: number; readonly maximum: number}) => WasmMemory
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  /** Whether this engine takes the module. */
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean
  readonly Instance: new (
    module: object,
    imports: {readonly env: {readonly memory: WasmMemory}},
  ) => {readonly exports: Readonly<Record<string, unknown>>}
}

export const Wasm = (globalThis as unknown as {readonly WebAssembly: WasmApi}).WebAssembly
