// The node's HTTP API (`docs/api.md`). The token is kept for this tab only and goes nowhere but here.

const KEY = 'peer-token'

/** A request that failed: what happened, and what to do next, in the node's own words. */
export class ApiError extends Error {
  constructor ({ status = 0, kind = 'unreachable', detail, next, messageId }) {
    super(detail)
    Object.assign(this, { status, kind, detail, next, messageId })
  }
}

/** Takes the token out of `#token=…`, and that out of the address bar. True if there was one. */
export function takeToken () {
  const found = /^#token=([^&]+)/.exec(location.hash)
  if (!found) return false
  setToken(decoded(found[1]))
  history.replaceState(null, '', `${location.pathname}#/`)
  return true
}

/** A part of an address as it was before it was escaped, as far as it makes sense. */
export function decoded (text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const hasToken = () => sessionStorage.getItem(KEY) != null
export function setToken (token) {
  distrust()
  sessionStorage.setItem(KEY, token.trim())
}
export const forgetToken = () => sessionStorage.removeItem(KEY)

/** What every request carries once `assured()`. */
export const credentials = () => ({ authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}` })

/** That whoever listens at this port knows the token; it is asked again after every failure. */
let assurance = null

/** Fulfilled once the node has proved that it knows the token: while none runs, others could take its port. */
export function assured (path = '/') {
  assurance ??= checkProof(path).catch((error) => {
    assurance = null
    throw error
  })
  return assurance
}

/** A connection failed: who answers next may be somebody else. */
export function distrust () {
  assurance = null
}

async function checkProof (path) {
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)))
  const url = new URL(`/v1/proof?nonce=${nonce}`, new URL(path, globalThis.location?.href))
  const response = await fetch(url, {
    cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(15_000)
  })
  const { proof } = response.ok ? await response.json() : {}
  const key = await crypto.subtle.importKey('raw', bytes(sessionStorage.getItem(KEY) || '-'),
    { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const expected = await crypto.subtle.sign('HMAC', key, bytes(`peer-api-proof:${url.port || 80}:${nonce}`))
  if (proof === hex(new Uint8Array(expected))) return
  throw new ApiError({
    status: 401,
    kind: 'unproven',
    detail: 'what answers here has not proved that it knows this token, so it was not sent',
    next: 'is it your node? `peer api url` prints its address, with its token'
  })
}

const bytes = (text) => new TextEncoder().encode(text)
const hex = (array) => Array.from(array, (byte) => byte.toString(16).padStart(2, '0')).join('')

export const get = (path, options) => ask('GET', path, undefined, options)

/** Acts. Whatever `key` names is done once, however often it is asked for. */
export const post = (path, body = {}, options) => ask('POST', path, body, options)

async function ask (method, path, body, { key, wait = 15_000 } = {}) {
  const headers = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (key) headers['idempotency-key'] = key
  let response
  try {
    await assured()
    response = await fetch(path, {
      method,
      headers: { ...headers, ...credentials() },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(wait)
    })
  } catch (error) {
    if (error instanceof ApiError) throw error
    distrust()
    throw new ApiError(error.name === 'TimeoutError'
      ? {
          kind: 'timeout',
          detail: `the node did not answer ${method} ${path} within ${wait / 1000} s`,
          next: 'look at its log; try again'
        }
      : {
          detail: 'the node does not answer',
          next: 'is it running? Start it with `peer run`; this page connects again by itself'
        })
  }
  const answer = await response.json().catch(() => null)
  if (response.ok && answer != null) return answer
  throw new ApiError({
    status: response.status,
    kind: String(answer?.type ?? '').replace(/^urn:peer:/, '') || 'failed',
    detail: answer?.detail ?? `${method} ${path} failed: ${response.status}`,
    next: answer?.next ?? 'try again',
    messageId: answer?.message_id
  })
}
