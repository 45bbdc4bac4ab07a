// Messages: what is sent, what came in, the way of one.

import { h } from '../dom.js'
import { actions as inboxActions, inbox, inboxMessage } from './inbox.js'
import { actions as outboxActions, outbox } from './outbox.js'
import { actions as sendActions, sendForm } from './send.js'
import { actions as traceActions, trace } from './trace.js'
import { state } from '../store.js'

export const title = 'Messages'
export const needs = ['outbox', 'inbox', 'peers']

const TABS = [['outbox', 'Outbox'], ['inbox', 'Inbox'], ['send', 'Send']]

export function render ({ id }) {
  const [tab, which] = (id ?? 'outbox').split('/')
  const counts = { outbox: undefined, inbox: state.data.inbox?.items.length }
  return [
    h('nav', { class: 'tabs', 'aria-label': 'Messages', 'data-key': 'tabs' }, TABS.map(([name, label]) => h('a', {
      href: `#/messages/${name}`, 'aria-current': name === tab ? 'page' : null
    }, label, counts[name] > 0 && h('span', { class: 'count' }, counts[name])))),
    tab === 'inbox'
      ? which ? inboxMessage(which) : inbox()
      : tab === 'send' ? sendForm() : tab === 'trace' ? trace(which) : outbox()
  ]
}

export const actions = { ...inboxActions, ...outboxActions, ...sendActions, ...traceActions }
