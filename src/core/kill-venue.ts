/** An order the broker still works on. */
export interface OpenOrder {
  readonly id: string
  readonly symbol: string
}
export interface OpenPosition {
  /** The broker's own spelling; crypto pairs may have lost their slash. */
  readonly symbol: string
  /** Signed decimal units. */
  readonly quantity: number
}

/** The few things a kill needs of a broker. Every call may fail; the kill tries again until its deadline. */
export interface KillVenue {
  readonly name: string
  /** Asks for every open order to be cancelled and returns their ids. `onSent` is called when the request has left. */
  readonly cancelAll: (onSent?: () => void) => Promise<readonly string[]>
  readonly cancel: (orderId: string) => Promise<void>
  readonly openOrders: () => Promise<readonly OpenOrder[]>
  readonly positions: () => Promise<readonly OpenPosition[]>
  /** Sends a market order that closes the whole position and returns its id; undefined when there is nothing to close. */
  readonly closePosition: (symbol: string) => Promise<string | undefined>
}

/** The account's requests of this minute are used up: nothing was looked at, and asking at once only makes it worse. */
export class VenueThrottled extends Error {
  override readonly name = 'VenueThrottled'
}
/** Nothing listens at the venue's address. */
export class VenueUnreachable extends Error {
  override readonly name = 'VenueUnreachable'
}
/** The venue does not accept these credentials; trying again will not help. */
export class VenueRefused extends Error {
  override readonly name = 'VenueRefused'
}
