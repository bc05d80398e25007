import {ExitCode, UserError} from '../domain/errors.ts'

/** For a stream that ends without a single option quote. */
export const noChain = (otherRecords: number, command: 'chain' | 'embed'): UserError =>
  new UserError(
    'NO_CHAIN',
    `the input holds no option quotes${otherRecords > 0 ? ` among its ${otherRecords} records` : ''}`,
    {
      hints: [`feed option-quote records: gpi ingest spx FILE --out - | gpi ${command} --from -`],
      exitCode: ExitCode.invalidData,
    },
  )
