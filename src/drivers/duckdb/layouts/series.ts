import {identifier, quoted} from '../database.ts'
import {createSessions, dayCloseSql} from './bar-time.ts'
import {hasColumns, type Layout, RAW} from './layout.ts'
import {symbolSql} from './lean.ts'

const closeUs = dayCloseSql('"date"')

/** A FRED series: a date and one column named after the series, such as VIXCLS (the VIX at the close). */
export const fredSeries: Layout = {
  name: 'fred-series',
  source: 'cboe',
  matches: header => header.length === 2 && header[0] === 'date' && /^[A-Z0-9]+CLS$/.test(header[1] ?? ''),
  types: ({header}) => ({date: 'DATE', [header[1] ?? '']: 'DOUBLE'}),
  outputs: async ({database, header, options}) => {
    await createSessions(database, '"date"')
    const series = header[1] ?? ''
    return [
      {
        kind: 'observation',
        select: `SELECT ${RAW}.rowid AS line, ${RAW}.rowid AS seq, ${quoted(options.symbol ?? series.replace(/CLS$/, ''))} AS symbol, ${closeUs} AS ts_us,
          'close' AS name, ${identifier(series)} AS value FROM ${RAW}`,
      },
    ]
  },
}

/** Daily realised variance, bipower, kernel and quarticity measures: one observation a column. */
export const realisedMeasures: Layout = {
  name: 'realised-measures',
  source: 'csv',
  matches: hasColumns('date', 'RV1', 'RV5', 'BPV5', 'RK5', 'CLOSE'),
  types: ({header}) => ({...Object.fromEntries(header.map(name => [name, 'DOUBLE'])), date: 'DATE'}),
  outputs: async context => {
    await createSessions(context.database, '"date"')
    const names = context.header.filter(name => name !== 'date')
    return [
      {
        kind: 'observation',
        select: `SELECT id AS line, id AS seq, ${symbolSql(context)} AS symbol, ts_us, name, value FROM
          (UNPIVOT (SELECT ${RAW}.rowid AS id, ${closeUs} AS ts_us, ${names.map(identifier)} FROM ${RAW})
           ON ${names.map(identifier)} INTO NAME name VALUE value)`,
      },
    ]
  },
}
