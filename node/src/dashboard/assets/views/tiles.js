// The numbers that one looks at first.

import { h } from '../dom.js'
import * as format from '../format.js'
import { state } from '../store.js'

export function tiles () {
  const { status } = state.data
  return h('ul', { class: 'tiles', 'aria-label': 'At a glance' },
    tile('connected', status?.connected, '#/peers'),
    tile('sessions ready', status?.sessions, '#/sessions'),
    tile('waiting to be sent', status?.outbox.messages, '#/messages/outbox'),
    tile('waiting for the agent', status?.waiting, '#/messages/inbox'),
    tile('transfers running', status?.transfers, '#/transfers'),
    tile('up', status && format.duration(status.uptime_ms, { brief: true }), '#/node'))
}

const tile = (name, value, href) => h('li', { 'data-key': name },
  h('a', { href }, h('b', {}, value ?? '–'), h('span', {}, name)))
