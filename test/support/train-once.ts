import {train} from '../../src/core/train.ts'

/** One training by the request given as JSON; what went wrong goes to stdout as JSON. For tests that limit the process. */
const outcome = await train(JSON.parse(process.argv[2] ?? '{}')).then(
  ({steps, stoppedBy}) => ({steps, stoppedBy}),
  (error: {code?: string; message: string}) => ({code: error.code, message: error.message}),
)
process.stdout.write(`${JSON.stringify(outcome)}\n`)
