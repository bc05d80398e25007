import {decode} from '@msgpack/msgpack'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {LOCAL_CREDENTIALS} from '../../src/exchange/server/credentials.ts'
import {DataStreamSession, STOCKS} from '../../src/exchange/server/data-stream.ts'
import {marketMessage} from '../../src/exchange/server/market-messages.ts'
import {arrayHeader, MsgpackWriter, Timestamp} from '../../src/exchange/server/msgpack.ts'
import type {Json} from './exchange-rig.ts'

const sessionRig = (codec: 'json' | 'msgpack' = 'json', isFree = true) => {
  const sent: Json[] = []
  const state = {ended: undefined as 'close' | 'terminate' | undefined, buffered: 0}
  const writer = new MsgpackWriter()
  const session = new DataStreamSession({
    kind: STOCKS,
    codec,
    credentials: LOCAL_CREDENTIALS,
    writer,
    symbols: ['AAPL', ''],
    symbolLimit: 30,
    claim: () => isFree,
    onBooks: () => undefined,
    socket: {
      send: data => sent.push(codec === 'json' ? JSON.parse(String(data)) : decode(data as Buffer)),
      close: () => {
        state.ended ??= 'close'
      },
      terminate: () => {
        state.ended ??= 'terminate'
      },
      buffered: () => state.buffered,
    },
  })
  return {session, sent, state, writer, login: () => session.onMessage({action: 'auth', key: 'local', secret: 'local'})}
}

describe('a session', () => {
  test('without a login in time: 404, and closed', () => {
    const {session, sent, state} = sessionRig()
    session.onAuthTimeout()
    expect([sent.at(-1), state.ended]).toEqual([[{T: 'error', code: 404, msg: 'auth timeout'}], 'close'])
  })
  test('that was refused its place is dropped without a close frame', () => {
    const {session, state, login} = sessionRig('json', false)
    login()
    expect(state.ended).toBeUndefined()
    session.onAuthTimeout()
    expect(state.ended).toBe('terminate')
  })
  test('that is in order is left alone', () => {
    const {session, state, login} = sessionRig()
    login()
    session.onAuthTimeout()
    expect(state.ended).toBeUndefined()
  })
  test('that does not read: 407, and dropped with what it has not read', () => {
    const {session, sent, state, writer, login} = sessionRig()
    login()
    state.buffered = 9 * 1024 * 1024
    session.push(marketMessage({T: 'q'}, writer))
    session.flush()
    expect([sent.at(-1), state.ended]).toEqual([[{T: 'error', code: 407, msg: 'slow client'}], 'terminate'])
  })
  test('gets what has gathered as arrays of at most 256', () => {
    const {session, sent, writer, login} = sessionRig('msgpack')
    login()
    sent.length = 0
    for (let i = 0; i < 600; i++) session.push(marketMessage({T: 't', i}, writer))
    session.flush()
    expect(sent.map(frame => frame.length)).toEqual([256, 256, 88])
    expect(sent.flat().map(({i}) => i)).toEqual(Array.from({length: 600}, (_, i) => i))
  })
  test('a star is for instruments of this feed only', () => {
    const {session, login} = sessionRig()
    login()
    session.onMessage({action: 'subscribe', quotes: ['*']})
    expect([session.wants('quotes', 0), session.wants('quotes', 1), session.wants('trades', 0)]).toEqual([
      true,
      false,
      false,
    ])
  })
})

describe('msgpack', () => {
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double({noNaN: true, noDefaultInfinity: true}),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), {maxLength: 20}),
      fc.dictionary(fc.string(), tie('any'), {maxKeys: 20}),
    ),
  })).any
  test('is read back by the reference decoder', () => {
    const writer = new MsgpackWriter()
    fc.assert(
      fc.property(value, v => {
        expect(decode(writer.encode(v))).toEqual(JSON.parse(JSON.stringify(v), (_, x) => x))
      }),
    )
  })
  test('times are the timestamp extension, to the microsecond', () => {
    fc.assert(
      fc.property(fc.integer({min: 0, max: 4_000_000_000_000_000}), atUs => {
        const read = decode(new MsgpackWriter().encode(new Timestamp(atUs))) as Date
        expect(read.getTime()).toBe(Math.floor(atUs / 1_000))
      }),
    )
  })
  test.each([0, 15, 16, 65_535, 65_536])('the header of an array of %i', length => {
    const items = Buffer.alloc(length, 0xc0)
    expect(decode(Buffer.concat([arrayHeader(length), items]))).toHaveLength(length)
  })
})
