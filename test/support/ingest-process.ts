import process from 'node:process'
import {ingest} from '../../src/core/ingest.ts'

// Run by node with a catalog folder and files; says `ready` when the ingest begins.
const [out = '', ...paths] = process.argv.slice(2)
process.stdout.write('ready\n')
await ingest({source: 'csv', paths, out, options: {}, skipInvalid: false, note: () => {}})
