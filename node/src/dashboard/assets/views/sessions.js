// Sessions through their states, live.

import { h } from '../dom.js'
import * as format from '../format.js'
import { isDone, isEnd } from '../handshakes.js'
import { badge, empty, facts, panel, peerLink, pending, time } from '../parts.js'
import { state } from '../store.js'
import { isolated, plain } from '../text.js'
import { strip } from './strip.js'

export const title = 'Sessions'
export const needs = ['peers', 'sessions']

export function render () {
  const waiting = pending('peers')
  if (waiting) return panel('Sessions', {}, waiting)
  const sessions = all()
  return panel('Sessions', {
    note: format.count(sessions.length, 'session'),
    tools: h('button', { type: 'button', class: 'primary', 'data-do': 'connect' }, 'Connect …')
  },
  sessions.length === 0
    ? empty('No session yet.', 'A session begins with a handshake, as soon as this node and a peer have a connection.')
    : h('ul', { class: 'sessions' }, sessions.map(one)))
}

/** What the node tells of sessions, those that are being opened, and those that failed while watched. */
function all () {
  const byPeer = new Map()
  for (const peer of state.data.peers ?? []) {
    if (peer.session) byPeer.set(peer.peer_id, [{ peer_id: peer.peer_id, entity: peer.entity, session: peer.session, encrypted: peer.encrypted }])
  }
  const told = state.data.sessions
  for (const line of Array.isArray(told) ? told : told?.items ?? []) {
    const { peer_id: peer, entity, steps, session, ...rest } = line
    const known = byPeer.get(peer) ?? []
    const about = { ...(session ?? rest), ...rest }
    const same = known.find((other) => other.session.id === about.id || !other.session.id)
    if (same) Object.assign(same, { steps, session: { ...same.session, ...about } })
    else byPeer.set(peer, [...known, { peer_id: peer, entity, steps, session: about, encrypted: about.suite !== 'none' }])
  }
  for (const [peer, about] of state.handshakes) {
    if (byPeer.has(peer)) continue
    const last = [...about.seen.keys()].at(-1)
    byPeer.set(peer, [{ peer_id: peer, session: { state: last, id: about.session ?? '' }, why: about.why }])
  }
  return [...byPeer.values()].flat()
}

function one (about) {
  const { peer_id: peer, entity, session } = about
  const watched = state.handshakes.get(peer)
  const kind = isDone(session.state) ? 'good' : isEnd(session.state) ? 'bad' : 'busy'
  const why = about.why ?? (isEnd(session.state) ? watched?.why : null)
  return h('li', { class: 'session', 'data-key': `${peer} ${session.id || 'opening'}`, 'data-peer': plain(peer) },
    h('div', { class: 'session-head' },
      h('h3', {}, peerLink(peer, entity)),
      badge(kind, session.state),
      session.suite && badge(session.suite === 'none' ? 'warn' : 'good', session.suite === 'none' ? 'not encrypted' : session.suite)),
    session.handshake === 'legacy' ? null : strip(about),
    why && h('p', { class: 'why' }, isolated(why, { limit: 500 })),
    facts([
      ['Session', session.id && h('code', { title: plain(session.id) }, format.short(session.id))],
      ['Handshake', session.handshake && `${session.handshake}${session.handshake_us ? `, ${format.roundTrip(session.handshake_us)}` : ''}`],
      ['Opened by', session.id && (session.initiator ? 'this node' : 'the peer')],
      ['Since', session.since > 0 && time(session.since)],
      ['Renewed before', session.expires > 0 && time(session.expires)],
      ['Sealed', counter(session, 'sealed', 'sent')],
      ['Opened', counter(session, 'opened', 'received')]
    ]))
}

const counter = (session, ...names) => {
  const found = names.map((name) => session[name]).find((value) => value != null)
  return found == null ? null : String(found)
}
