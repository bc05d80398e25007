import {expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {ReportWriter} from '../../src/core/report-writer.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'

test.each(['html', 'report'])('no file is made that is called - (--%s)', flag => {
  const options = {instruments: InstrumentTable.of(['AAA']), config: Config.parse({})}
  expect(() => new ReportWriter({...options, [flag]: '-'})).toThrow(/written when the run has ended, to a file/)
  expect(() => new ReportWriter({...options, [flag]: 'run.html'})).not.toThrow()
})
