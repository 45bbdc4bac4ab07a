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
export const setToken = (token) => sessionStorage.setItem(KEY, token.trim())
export const forgetToken = () => sessionStorage.removeItem(KEY)

/** What every request carries. */
export const credentials = () => ({ authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}` })

export const get = (path, options) => ask('GET', path, undefined, options)

/** Acts. Whatever `key` names is done once, however often it is asked for. */
export const post = (path, body = {}, options) => ask('POST', path, body, options)

async function ask (method, path, body, { key, wait = 15_000 } = {}) {
  const headers = { ...credentials(), accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (key) headers['idempotency-key'] = key
  let response
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(wait)
    })
  } catch (error) {
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
