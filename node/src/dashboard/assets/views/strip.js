// A session's way through its states, one cell a state, filled as steps arrive.

import { h } from '../dom.js'
import * as format from '../format.js'
import { isDone, isEnd, statesOf } from '../handshakes.js'
import { state } from '../store.js'

const WORDS = {
  INITIAL: 'initial',
  HANDSHAKE_INIT_SENT: 'init sent',
  HANDSHAKE_ACK_RECEIVED: 'ack received',
  CHALLENGE_SENT: 'challenge sent',
  SESSION_ESTABLISHED: 'established',
  SESSION_CONFIRMED: 'confirmed',
  READY: 'ready',
  ERROR: 'error',
  EXPIRED: 'expired',
  INIT: 'initial',
  HANDSHAKE_SENT: 'handshake sent',
  ACTIVE: 'active',
  CLOSED: 'closed'
}

/** The strip of the session with a peer: `{ peer_id, session }`. */
export function strip (peer) {
  const now = peer.session?.state
  const watched = state.handshakes.get(peer.peer_id)
  const states = watched?.states ?? statesOf(now)
  const at = states.indexOf(now)
  return h('ol', { class: `strip of-${states.length}`, 'aria-label': `States of this session; now ${now ?? 'none'}` },
    states.map((name, index) => {
      const seen = watched?.seen.get(name)
      const passed = seen != null || (at >= 0 && index <= at && !isEnd(name) && !isEnd(now))
      const kind = !passed ? 'open' : isEnd(name) ? 'bad' : isDone(name) ? 'good' : 'passed'
      const after = seen && index > 0 ? `+${format.duration(Math.max(0, seen.at - watched.since))}` : ''
      return h('li', {
        class: `${kind}${name === now ? ' now' : ''}`,
        'data-key': name,
        'data-state': name,
        'data-seen': seen ? 'true' : null,
        title: [name, seen?.step, seen && format.exact(seen.at)].filter(Boolean).join(' · '),
        'aria-current': name === now ? 'step' : null
      },
      h('span', { class: 'dot', 'aria-hidden': 'true' }, kind === 'open' ? '' : kind === 'bad' ? '✕' : '✓'),
      h('span', { class: 'word' }, WORDS[name] ?? name),
      h('span', { class: 'after' }, after),
      h('span', { class: 'unseen' }, passed ? ', reached' : ', not reached'))
    }))
}
