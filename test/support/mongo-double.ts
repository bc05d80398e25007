import {once} from 'node:events'
import net from 'node:net'
import {BSON} from 'mongodb'
import {type Document, matches, projectSorted, update} from './mongo-documents.ts'

/**
 * A MongoDB server as far as gpi's driver can tell: the wire protocol over TCP (OP_MSG, and OP_QUERY for the first
 * handshake) and the commands the official client sends for gpi's stores. Anything else is answered as an unknown
 * command, so a test that leaves this ground fails.
 */
export interface MongoDouble extends AsyncDisposable {
  readonly url: string
  /** Every command received, by name, in order. */
  readonly commands: readonly string[]
  /** Of every write received, as JSON. */
  readonly writeConcerns: readonly string[]
  /** Cuts every connection. */
  readonly drop: () => void
  /** Forgets every cursor, as a server does that was asked nothing for ten minutes, or that another took over from. */
  readonly expireCursors: () => void
  /** Of the next command of this name: it is carried out, and the connection is cut before the answer. */
  readonly dropAnswerTo: (command: string) => void
  /** Answers the next command of this name with an error instead of carrying it out. */
  readonly failOnce: (
    command: string,
    error: {readonly code: number; readonly codeName: string; readonly errorLabels?: readonly string[]},
  ) => void
}

export interface MongoDoubleOptions {
  /** A replica set of one, as hosted servers are: the client then numbers its writes and sends an unanswered one again. */
  readonly replicaSet?: boolean
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013

export const startMongoDouble = async ({replicaSet = false}: MongoDoubleOptions = {}): Promise<MongoDouble> => {
  const collections = new Map<string, Document[]>()
  const cursors = new Map<string, Document[]>()
  const commands: string[] = []
  const writeConcerns: string[] = []
  const sockets = new Set<net.Socket>()
  const failures = new Map<string, Document>()
  const unanswered = new Set<string>()
  /** Answers to numbered writes, by session and number: the same one again is not carried out again. */
  const answered = new Map<string, Document>()
  const answer = (command: Document): Document | undefined => {
    const [name = ''] = Object.keys(command)
    commands.push(name)
    const failure = failures.get(name)
    failures.delete(name)
    if (failure !== undefined) return {ok: 0, errmsg: failure['codeName'], ...failure}
    const number =
      command['txnNumber'] === undefined ? undefined : `${JSON.stringify(command['lsid'])} ${command['txnNumber']}`
    const reply = answered.get(number ?? '') ?? carryOut(name, command)
    if (number !== undefined) answered.set(number, reply)
    return unanswered.delete(name) ? undefined : reply
  }
  const carryOut = (name: string, command: Document): Document => {
    if (['update', 'delete', 'findAndModify'].includes(name))
      writeConcerns.push(JSON.stringify(command['writeConcern']))
    const handler = handlers[name]
    if (handler === undefined)
      return {ok: 0, code: 59, codeName: 'CommandNotFound', errmsg: `no such command: '${name}'`}
    const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
    const set = {setName: 'rs0', hosts: [address], primary: address, me: address, setVersion: 1, secondary: false}
    const more = handler === hello && replicaSet ? {...set, logicalSessionTimeoutMinutes: 30} : {}
    return {ok: 1, ...handler(command, {collections, cursors}), ...more}
  }
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let buffered: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 4 && buffered.length >= buffered.readInt32LE(0)) {
        const length = buffered.readInt32LE(0)
        const reply = respond(buffered.subarray(0, length), answer)
        if (reply === undefined) socket.destroy()
        else socket.write(reply)
        buffered = buffered.subarray(length)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `mongodb://127.0.0.1:${(server.address() as net.AddressInfo).port}/gpi`,
    commands,
    writeConcerns,
    drop,
    expireCursors: () => cursors.clear(),
    dropAnswerTo: command => void unanswered.add(command),
    failOnce: (command, error) => void failures.set(command, error),
    [Symbol.asyncDispose]: async () => {
      drop()
      server.close()
      await once(server, 'close')
    },
  }
}

const respond = (message: Buffer, answer: (command: Document) => Document | undefined): Buffer | undefined => {
  const [requestId, opcode] = [message.readInt32LE(4), message.readInt32LE(12)]
  if (opcode === OP_MSG) {
    const reply = answer(readMessage(message))
    if (reply === undefined) return undefined
    const body = BSON.serialize(reply)
    return frame(requestId, OP_MSG, Buffer.concat([Buffer.from([0, 0, 0, 0, 0]), body]))
  }
  if (opcode === OP_QUERY) {
    // flags int32, collection name cstring, skip int32, limit int32, query
    const nameEnd = message.indexOf(0, 20)
    const reply = BSON.serialize(answer(BSON.deserialize(message.subarray(nameEnd + 9))) ?? {ok: 0})
    const head = Buffer.alloc(20)
    head.writeInt32LE(8, 0)
    head.writeInt32LE(1, 16)
    return frame(requestId, OP_REPLY, Buffer.concat([head, reply]))
  }
  throw new Error(`the double does not speak opcode ${opcode}`)
}

const frame = (responseTo: number, opcode: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(16)
  head.writeInt32LE(16 + body.length, 0)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(responseTo, 8)
  head.writeInt32LE(opcode, 12)
  return Buffer.concat([head, body])
}

/** Section 0 is the command; sections 1 are arrays that belong into it. */
const readMessage = (message: Buffer): Document => {
  let at = 20
  const end = message.length
  let command: Document = {}
  const arrays: Document = {}
  while (at < end) {
    const kind = message[at++]
    const size = message.readInt32LE(at)
    if (kind === 0) command = BSON.deserialize(message.subarray(at, at + size))
    else {
      const nameEnd = message.indexOf(0, at + 4)
      const items: Document[] = []
      for (let from = nameEnd + 1; from < at + size; from += message.readInt32LE(from)) {
        items.push(BSON.deserialize(message.subarray(from, from + message.readInt32LE(from))))
      }
      arrays[message.toString('utf8', at + 4, nameEnd)] = items
    }
    at += size
  }
  return {...command, ...arrays}
}

interface State {
  readonly collections: Map<string, Document[]>
  readonly cursors: Map<string, Document[]>
}
type Handler = (command: Document, state: State) => Document

const documentsOf = ({collections}: State, name: string): Document[] => {
  const known = collections.get(name) ?? []
  collections.set(name, known)
  return known
}

const hello: Handler = () => ({
  ...{helloOk: true, ismaster: true, isWritablePrimary: true, maxWireVersion: 25, minWireVersion: 0, readOnly: false},
  ...{maxBsonObjectSize: 16_777_216, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 100_000},
  localTime: new Date(0),
})

let cursorId = 0
const firstBatch = (found: Document[], command: Document, state: State): Document => {
  const size = Number(command['batchSize'] ?? command['cursor']?.['batchSize'] ?? 101)
  const rest = found.slice(size)
  const id = rest.length > 0 ? ++cursorId : 0
  if (id > 0) state.cursors.set(String(id), rest)
  const ns = `${command['$db']}.${command['find'] ?? command['aggregate']}`
  return {cursor: {id: BSON.Long.fromNumber(id), ns, firstBatch: found.slice(0, size)}}
}

const handlers: Readonly<Record<string, Handler>> = {
  ...{hello, ismaster: hello, isMaster: hello},
  ping: () => ({}),
  endSessions: () => ({}),
  killCursors: () => ({}),
  createIndexes: () => ({numIndexesBefore: 1, numIndexesAfter: 2}),
  find: (command, state) => {
    const found = documentsOf(state, command['find']).filter(document => matches(document, command['filter'] ?? {}))
    const sorted = projectSorted(found, command['sort'])
    const limit = Number(command['limit'] ?? 0)
    return firstBatch(limit > 0 ? sorted.slice(0, limit) : sorted, command, state)
  },
  getMore: (command, state) => {
    const id = String(command['getMore'])
    const waiting = state.cursors.get(id)
    if (waiting === undefined) return {ok: 0, code: 43, codeName: 'CursorNotFound', errmsg: `cursor id ${id} not found`}
    const size = Number(command['batchSize'] ?? waiting.length)
    const isDone = waiting.length <= size
    if (isDone) state.cursors.delete(id)
    else state.cursors.set(id, waiting.slice(size))
    return {
      cursor: {
        id: isDone ? BSON.Long.ZERO : BSON.Long.fromString(id),
        ns: `${command['$db']}.${command['collection']}`,
        nextBatch: waiting.slice(0, size),
      },
    }
  },
  /** `countDocuments` asks for [{$match}, {$group: {_id: 1, n: {$sum: 1}}}]. */
  aggregate: (command, state) => {
    const [first] = command['pipeline'] as Document[]
    const n = documentsOf(state, command['aggregate']).filter(item => matches(item, first?.['$match'] ?? {})).length
    return firstBatch(n === 0 ? [] : [{_id: 1, n}], command, state)
  },
  update: (command, state) => {
    const documents = documentsOf(state, command['update'])
    let [n, nModified] = [0, 0]
    const upserted: Document[] = []
    for (const [index, item] of (command['updates'] as Document[]).entries()) {
      const found = documents.find(document => matches(document, item['q']))
      if (found !== undefined) {
        n++
        nModified += Number(update(found, item['u'], false))
      } else if (item['upsert']) {
        const document = {...item['q']}
        update(document, item['u'], true)
        documents.push(document)
        n++
        upserted.push({index, _id: document['_id']})
      }
    }
    return {n, nModified, ...(upserted.length > 0 ? {upserted} : {})}
  },
  delete: (command, state) => {
    const documents = documentsOf(state, command['delete'])
    let n = 0
    for (const {q, limit} of command['deletes'] as {q: Document; limit: number}[]) {
      const gone = documents.filter(document => matches(document, q)).slice(0, limit === 0 ? documents.length : limit)
      for (const document of gone) documents.splice(documents.indexOf(document), 1)
      n += gone.length
    }
    return {n}
  },
  findAndModify: (command, state) => {
    const documents = documentsOf(state, command['findAndModify'])
    const found = documents.find(document => matches(document, command['query']))
    const before = found === undefined ? null : structuredClone(found)
    const document = found ?? {...command['query']}
    if (found === undefined && !command['upsert']) return {value: null}
    if (found === undefined) documents.push(document)
    update(document, command['update'], found === undefined)
    return {value: command['new'] ? document : before, lastErrorObject: {n: 1, updatedExisting: found !== undefined}}
  },
}
