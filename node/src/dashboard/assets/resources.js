// What is read from the node, and when: once a view needs it, after events that may have changed it, and
// now and then anyway.

import { get } from './api.js'
import { changed, state } from './store.js'

/** Events that come together cause one reading, and a storm of them two a second; in milliseconds. */
const GATHER = 100
const APART = 500

const outbox = () => `/v1/outbox?limit=100${state.ui.outboxAll === false ? '' : '&all=true'}`

/** Where each is read, how often at least (milliseconds), and after which events. */
const RESOURCES = {
  status: { path: '/v1/status', every: 10_000, after: /./ },
  peers: { path: '/v1/peers', every: 10_000, after: /connect|route|handshake|session|trust/ },
  sessions: { path: '/v1/sessions', every: 10_000, after: /handshake|session|connect/ },
  outbox: { path: outbox, every: 10_000, after: /outbox|connect|session_ready/ },
  inbox: { path: '/v1/inbox?limit=100', every: 10_000, after: /message|agents/ },
  transfers: { path: '/v1/transfers', every: 3_000, after: /transfer/ },
  trust: { path: '/v1/trust', every: 30_000, after: /trust|session_ready/ },
  netcheck: { path: '/v1/netcheck', every: 15_000, after: /announced|connect/ },
  mailbox: { path: '/v1/mailbox', every: 30_000, after: /session_ready/ },
  dht: { path: '/v1/dht', every: 15_000, after: /^connected|announced/ },
  log: { path: '/v1/log?lines=500', every: 2_000, after: /$^/ }
}

const read = new Map()
let needed = new Set(['status'])

/** From now on these are kept up to date. */
export function need (names) {
  needed = new Set(['status', ...names])
  for (const name of needed) {
    if (!(name in state.data) || age(name) > 1000) load(name)
  }
}

/** An event came: reads what it may have changed. */
export function hint (event) {
  for (const name of needed) if (RESOURCES[name].after.test(event)) load(name)
}

/** Takes over what an event says in full: where a transfer stands. */
export function apply ({ event, at, ...transfer }) {
  const known = state.data.transfers
  if (event !== 'transfer' || !known) return
  const index = known.findIndex(({ id, direction }) => id === transfer.id && direction === transfer.direction)
  if (index < 0) known.push(transfer)
  else known[index] = transfer
  changed()
}

/** Reads all that is needed anew, such as when events were missed. */
export const reload = (...names) => {
  for (const name of names.length > 0 ? names : needed) load(name)
}

const age = (name) => Date.now() - (read.get(name)?.at ?? 0)

async function load (name) {
  const about = read.get(name) ?? { at: 0, running: false, again: false }
  read.set(name, about)
  if (about.running) {
    about.again = true
    return
  }
  about.running = true
  await new Promise((resolve) => setTimeout(resolve, Math.max(GATHER, APART - age(name))))
  about.again = false
  const { path } = RESOURCES[name]
  try {
    if (state.link === 'locked') return
    state.data[name] = await get(typeof path === 'function' ? path() : path)
    delete state.failures[name]
  } catch (error) {
    state.failures[name] = error
    if (error.status === 401) onRefused()
  } finally {
    about.at = Date.now()
    about.running = false
    changed()
    if (about.again) load(name)
  }
}

let onRefused = () => {}

/** Starts reading; `refused` is called when the node does not accept the token. */
export function start (refused) {
  onRefused = refused
  setInterval(() => {
    if (document.hidden) return
    for (const name of needed) {
      if (age(name) > RESOURCES[name].every) load(name)
    }
  }, 1000)
}
