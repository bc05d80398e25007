/** The one key pair the exchange has issued. */
export interface Credentials {
  readonly keyId: string
  readonly secret: string
}

/** What anyone on this machine may use when nothing else was configured: the exchange listens on loopback only. */
export const LOCAL_CREDENTIALS: Credentials = {keyId: 'local', secret: 'local'}

export type AuthOutcome = 'authorized' | 'unauthorized' | 'missing'
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Key pair headers, Basic, or a bearer token made of the secret. Header names are lower case. */
export const authenticate = (headers: Headers, credentials: Credentials): AuthOutcome => {
  const key = headers['apca-api-key-id']
  const secret = headers['apca-api-secret-key']
  if (key !== undefined || secret !== undefined)
    return key === credentials.keyId && secret === credentials.secret ? 'authorized' : 'unauthorized'
  const authorization = headers['authorization']
  if (typeof authorization !== 'string') return 'missing'
  const [scheme, value = ''] = authorization.split(' ')
  if (scheme?.toLowerCase() === 'basic') {
    const pair = Buffer.from(value, 'base64').toString('utf8')
    return pair === `${credentials.keyId}:${credentials.secret}` ? 'authorized' : 'unauthorized'
  }
  if (scheme?.toLowerCase() === 'bearer') return value === credentials.secret ? 'authorized' : 'unauthorized'
  return 'missing'
}

/** The gateway answers a request without credentials with a page, not with JSON; clients must cope. */
export const UNAUTHORIZED_PAGE = `<html>\r
<head><title>401 Authorization Required</title></head>\r
<body>\r
<center><h1>401 Authorization Required</h1></center>\r
<hr><center>nginx</center>\r
</body>\r
</html>\r
`
