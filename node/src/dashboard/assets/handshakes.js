// Handshakes as they go on: the states of `docs/PROTOCOL.md` §3.3 and §4.3, and when each was reached.

import { changed, putBounded, state } from './store.js'

/** The states of a session in their order; the last two end it instead. */
export const SIX_STEP = ['INITIAL', 'HANDSHAKE_INIT_SENT', 'HANDSHAKE_ACK_RECEIVED', 'CHALLENGE_SENT',
  'SESSION_ESTABLISHED', 'SESSION_CONFIRMED', 'READY', 'ERROR', 'EXPIRED']
/** The same of the three-way handshake. */
export const THREE_WAY = ['INIT', 'HANDSHAKE_SENT', 'ACTIVE', 'CLOSED']

const ENDS = new Set(['ERROR', 'EXPIRED', 'CLOSED'])
const DONE = new Set(['READY', 'ACTIVE'])

/** The states that a session may go through, by one of them. */
export const statesOf = (name) => THREE_WAY.includes(name) ? THREE_WAY : SIX_STEP

/** Whether nothing follows. */
export const isEnd = (name) => ENDS.has(name)
/** Whether messages can pass. */
export const isDone = (name) => DONE.has(name)

/** Takes an event of the node; `at` is when it happened. */
export function watch ({ event, peer_id: peer, entity, state: reached, step, session, code, detail }, at) {
  if (event === 'handshake_step') {
    begin(peer, reached, at).seen.set(reached, { at, step })
  } else if (event === 'handshake_failed') {
    const last = state.handshakes.get(peer)
    const about = last && !last.over ? last : begin(peer, reached, at)
    about.seen.set(ENDS.has(reached) ? reached : 'ERROR', { at, step: code })
    Object.assign(about, { over: true, why: detail, code })
  } else if (event === 'session_ready') {
    const about = begin(peer, session?.state ?? 'READY', at)
    if (!about.seen.has(session?.state ?? 'READY')) about.seen.set(session?.state ?? 'READY', { at })
    Object.assign(about, { over: true, entity, session: session?.id })
  } else if (event === 'session_ended') {
    const about = state.handshakes.get(peer)
    if (about && about.session === session) {
      about.ended = at
      about.seen.set(about.states.includes('CLOSED') ? 'CLOSED' : 'EXPIRED', { at })
    }
  } else {
    return
  }
  changed()
}

/** The handshake under way with `peer`; a new one if the last is over, or `reached` comes before it. */
function begin (peer, reached, at) {
  const states = statesOf(reached)
  const last = state.handshakes.get(peer)
  const first = states.indexOf(reached) <= 1
  if (last && last.states === states && !(last.over && !DONE.has(reached)) &&
      !(first && last.seen.has(reached))) return last
  const about = { states, since: at, seen: new Map([[states[0], { at }]]), over: false }
  putBounded(state.handshakes, peer, about)
  return about
}
