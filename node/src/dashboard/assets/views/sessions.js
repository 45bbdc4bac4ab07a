// Sessions through their states, live.

import { h } from '../dom.js'
import * as format from '../format.js'
import { isDone, isEnd } from '../handshakes.js'
import { badge, empty, facts, panel, peerLink, pending, time } from '../parts.js'
import { state } from '../store.js'
import { plain, said } from '../text.js'
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

/** What the node tells of sessions, and handshakes that failed while somebody watched. */
function all () {
  const told = state.data.sessions ?? (state.data.peers ?? []).filter(({ session }) => session)
    .map(({ peer_id: peer, entity, session }) => ({ peer_id: peer, entity, session, current: true }))
  const known = new Set(told.map(({ peer_id: peer }) => peer))
  const gone = [...state.handshakes].filter(([peer]) => !known.has(peer)).map(([peer, about]) => ({
    peer_id: peer,
    entity: about.entity ?? state.data.peers?.find(({ peer_id: id }) => id === peer)?.entity,
    session: { state: [...about.seen.keys()].at(-1), id: '' },
    current: true
  }))
  return [...told, ...gone]
}

function one (about) {
  const { peer_id: peer, entity, session, traffic } = about
  const watched = state.handshakes.get(peer)
  const kind = isDone(session.state) ? 'good' : isEnd(session.state) ? 'bad' : 'busy'
  const why = isEnd(session.state) ? watched?.why : null
  // One that is only opened, or failed to open, is not current either.
  const replaced = about.current === false && isDone(session.state)
  return h('li', { class: 'session', 'data-key': `${peer} ${session.id || 'opening'}`, 'data-peer': plain(peer) },
    h('div', { class: 'session-head' },
      h('h3', {}, peerLink(peer, entity)),
      badge(kind, session.state),
      session.suite && badge(session.suite === 'none' ? 'warn' : 'good', session.suite === 'none' ? 'not encrypted' : session.suite),
      replaced && badge('idle', 'being replaced', 'it was renewed, and is only listened to until it expires'),
      about.connected === false && badge('idle', 'no connection', 'the session lives on without one')),
    session.handshake !== 'legacy' && !replaced && strip(about),
    why && h('p', { class: 'why' }, said(why, { limit: 500 })),
    facts([
      ['Session', session.id && h('code', { title: plain(session.id) }, format.short(session.id))],
      ['Handshake', session.handshake && `${session.handshake}${session.handshake_us ? `, ${format.roundTrip(session.handshake_us)}` : ''}`],
      ['Opened by', session.id && (session.initiator ? 'this node' : 'the peer')],
      ['Since', session.since > 0 && time(session.since)],
      ['Renewed before', session.expires > 0 && time(session.expires)],
      ['Sent', traffic && volume(traffic.messages_sent, traffic.bytes_sent)],
      ['Received', traffic && volume(traffic.messages_received, traffic.bytes_received)],
      ['On the way to it', about.unsettled != null && format.count(about.unsettled, 'message')]
    ]))
}

const volume = (messages, bytes) => `${format.count(messages, 'message')}, ${format.size(bytes)}`
