import {UserError} from '../domain/errors.ts'
import type {AlpacaTarget} from '../drivers/alpaca/client.ts'
import {LOCAL_CREDENTIALS} from './kill.ts'
import {readSecrets} from './secrets.ts'

export interface TargetRequest {
  readonly broker: 'local' | 'alpaca'
  /** Real money: needs both flags. */
  readonly live: boolean
  readonly understandsLive: boolean
  /** Base URL of a local exchange that runs already. */
  readonly exchange?: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Base URL of a target's trading interface, as the node file names it for `gpi kill`. */
export const tradingUrlOf = (target: AlpacaTarget): string => {
  switch (target.kind) {
    case 'local':
      return target.url
    case 'paper':
      return 'https://paper-api.alpaca.markets'
    case 'live':
      return 'https://api.alpaca.markets'
    default:
      return target satisfies never
  }
}

export const localTarget = (url: string): AlpacaTarget => ({
  kind: 'local',
  url,
  streamUrl: url.replace(/^http/, 'ws'),
  ...LOCAL_CREDENTIALS,
})

/**
 * Where orders will go; undefined means an exchange of the node's own. Throws UserError MISSING_KEYS, LIVE_NOT_CONFIRMED
 * or LIVE_NEEDS_ALPACA.
 */
export const targetOf = ({
  broker,
  live,
  understandsLive,
  exchange,
  environment,
}: TargetRequest): AlpacaTarget | undefined => {
  if (live && broker !== 'alpaca')
    throw new UserError('LIVE_NEEDS_ALPACA', '--live trades real money, which the local exchange has none of', {
      hints: ['add --broker alpaca, or leave --live away'],
    })
  if (broker === 'local') return exchange === undefined ? undefined : localTarget(loopback(exchange))
  const {APCA_API_KEY_ID: keyId, APCA_API_SECRET_KEY: secret} = readSecrets(environment)
  if (keyId === undefined || secret === undefined)
    throw new UserError('MISSING_KEYS', '--broker alpaca needs APCA_API_KEY_ID and APCA_API_SECRET_KEY', {
      hints: [
        'export both, or name a 0600 file that holds them in GPI_SECRETS_FILE',
        'gpi trade --paper needs none: it trades at a local exchange',
      ],
    })
  if (!live) return {kind: 'paper', keyId, secret}
  if (!understandsLive)
    throw new UserError('LIVE_NOT_CONFIRMED', '--live trades real money and was not confirmed', {
      hints: ['add --i-understand-live, or trade on paper: --paper'],
    })
  return {kind: 'live', keyId, secret, realMoney: true}
}

const loopback = (text: string): string => {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    url = undefined
  }
  if (url?.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) return url.origin
  throw new UserError('EXCHANGE_URL', `--exchange must be http://127.0.0.1:PORT, was ${JSON.stringify(text)}`, {
    hints: ['gpi exchange prints the address it serves'],
  })
}
