// What several views say of a peer.

import { badge } from '../parts.js'
import { isDone, isEnd } from '../handshakes.js'
import { state } from '../store.js'
import { plain } from '../text.js'

/** Kinds of ways to a peer. */
export const PATHS = {
  direct: { name: 'direct', marks: 0, title: 'a connection without anybody in between' },
  'hole-punched': { name: 'hole-punched', marks: 0, title: 'a direct connection through the NATs of both sides' },
  relayed: { name: 'relayed', marks: 1, title: 'a connection through a libp2p relay' },
  hops: { name: 'hops', marks: 1, title: 'no connection: other nodes carry each message' }
}

/** The way to a peer in words. */
export function pathText (peer) {
  const { kind, carriers } = peer.path ?? {}
  if (!kind) return 'no way'
  if (kind !== 'hops' || carriers == null) return PATHS[kind]?.name ?? plain(kind)
  return `over ${carriers} ${carriers === 1 ? 'node' : 'nodes'}`
}

/** Microseconds to the peer and back, as the node or this page measured; null if neither has. */
export const roundTripOf = (peer) => peer.round_trip_us ?? state.measured.get(peer.peer_id)?.us ?? null

/** How things stand with a peer. */
export function peerBadge (peer) {
  const session = peer.session?.state
  if (session && isDone(session)) {
    return peer.connected
      ? badge('good', 'ready')
      : badge(peer.path ? 'good' : 'idle', peer.path ? 'ready' : 'away', 'the session lives on without a connection')
  }
  if (session && !isEnd(session)) return badge('busy', 'handshake', session)
  if (peer.last_error) return badge('bad', 'failed', peer.last_error)
  return peer.connected ? badge('busy', 'connected') : badge('idle', 'away')
}

const TRUST = {
  pinned: ['good', 'pinned', 'its fingerprint was compared by the operator'],
  seen: ['idle', 'seen', 'trusted on first use; compare the fingerprint and pin it'],
  revoked: ['bad', 'revoked', 'trust in this key was withdrawn']
}

/** How an entity is trusted. */
export const trustBadge = (level) =>
  badge(...(TRUST[level] ?? ['warn', 'unknown', 'not on the trust list']))

/** Whether what is said to a peer is end-to-end encrypted. */
export const encryption = (peer) => peer.encrypted
  ? badge('good', 'encrypted')
  : peer.session && isDone(peer.session.state)
    ? badge('warn', 'not encrypted', 'version 1.0 has signatures, but no encryption')
    : badge('idle', 'no session')
