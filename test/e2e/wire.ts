import {LOCAL_CREDENTIALS} from '../../src/core/kill.ts'

export const HEADERS = {'APCA-API-KEY-ID': LOCAL_CREDENTIALS.keyId, 'APCA-API-SECRET-KEY': LOCAL_CREDENTIALS.secret}

export type Json = Record<string, unknown>

/** What the exchange itself says, over its own wire: the judge of what a node believes. */
export const ask = async (url: string, path: string): Promise<Json[]> => {
  const response = await fetch(new URL(path, url), {headers: HEADERS})
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Json[]
}

/** Every order the account ever had, oldest first, by pages. */
export const allOrders = async (url: string): Promise<Json[]> => {
  const byId = new Map<string, Json>()
  let after = ''
  while (true) {
    const page = await ask(url, `/v2/orders?status=all&limit=500&direction=asc${after}`)
    const before = byId.size
    for (const order of page) byId.set(String(order['id']), order)
    const last = page.at(-1)
    if (page.length < 500 || byId.size === before || last === undefined) return [...byId.values()]
    after = `&after_order_id=${String(last['id'])}`
  }
}

/** Every fill of the account, oldest first, by pages. */
export const allFills = async (url: string): Promise<Json[]> => {
  const fills: Json[] = []
  let token = ''
  while (true) {
    const page = await ask(url, `/v2/account/activities/FILL?direction=asc&page_size=100${token}`)
    fills.push(...page)
    const last = page.at(-1)
    if (page.length < 100 || last === undefined) return fills
    token = `&page_token=${encodeURIComponent(String(last['id']))}`
  }
}
