import {existsSync} from 'node:fs'
import path from 'node:path'

/** Folder of real market data, never committed: `GPI_TEST_DATA`, or the folder beside the checkout. */
export const testData = path.resolve(process.env['GPI_TEST_DATA'] ?? '../shared/data')

/** For `describe.skipIf(noTestData)`: true where the real data is not on this machine. */
export const noTestData = !existsSync(path.join(testData, 'MANIFEST.csv'))

export const dataFile = (relative: string): string => path.join(testData, relative)
