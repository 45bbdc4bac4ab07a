// What happened: the node's events while this page was open, and its log.

import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, empty, panel } from '../parts.js'
import { state } from '../store.js'
import { isolated, plain, shown } from '../text.js'
import { lines } from './lines.js'

export { actions } from './lines.js'

export const title = 'Log'
export const needs = ['log', 'peers']

/** Events shown; more are kept. */
const MOST = 100

export function render () {
  return [
    panel('Events', { id: 'events', note: 'since this page was opened' }, state.events.length === 0
      ? empty('Nothing has happened yet.', 'Connections, handshakes, messages and transfers appear here as they happen.')
      : h('ol', { class: 'log', 'aria-label': 'Events, the newest first' }, state.events.slice(-MOST).reverse().map(event))),
    lines()
  ]
}

function event ({ at, event: name, ...about }) {
  const peer = state.data.peers?.find(({ peer_id: id }) => id === about.peer_id)
  const who = about.entity ?? peer?.entity ?? about.peer ?? about.from ?? (about.peer_id ? `…${about.peer_id.slice(-8)}` : null)
  const what = [about.step, about.state, about.status, about.kind, about.code, about.detail, about.address, about.name]
    .filter((part) => typeof part === 'string').join(' · ')
  return h('li', {},
    h('time', { datetime: new Date(at).toISOString(), title: format.exact(at) }, format.clock(at)),
    badge(/fail|refus|error/.test(name) ? 'bad' : /disconnect|ended|missed/.test(name) ? 'warn' : 'idle', plain(name).replaceAll('_', ' ')),
    h('span', { class: 'target' }, who && isolated(who, { limit: 60 })),
    h('span', { class: 'what' }, shown(what)))
}
