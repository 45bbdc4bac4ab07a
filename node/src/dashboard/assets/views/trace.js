// The way of one message as a time line.

import { get } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { copyable, empty, facts, panel, peerLink, time } from '../parts.js'
import { set, state } from '../store.js'
import { plain, said } from '../text.js'
import { LARGE, words } from './inbox.js'
import { isOpen, KINDS, messageButtons, statusBadge } from './outbox.js'

/** How often a trace that is looked at is read, in milliseconds. */
const EVERY = 2000

const STEPS = {
  accepted: () => 'accepted: on disk here',
  given_to_link: () => 'handed to the link with its receiver',
  transmitted: ({ attempt }) => `sealed and transmitted${attempt > 1 ? `, attempt ${attempt}` : ''}`,
  paced: ({ retry_after_ms: wait }) => `the receiver asked to wait ${format.duration(wait)}`,
  in_mailbox: ({ nodes }) => `left at ${format.count(nodes, 'mailbox node')}`,
  became: ({ status, detail }) => [statusBadge(status), detail && [' ', said(detail)]],
  stored: () => 'on disk here',
  handed: () => 'handed to the agent',
  taken: () => 'the agent took it'
}

export function trace (id) {
  const back = h('p', { class: 'back', 'data-key': 'back' }, h('a', { href: '#/messages/outbox' }, '← Outbox'))
  const about = state.ui.trace
  if (about?.id !== id) {
    state.ui.trace = { id, at: 0 }
    refresh()
    return [back, h('p', { class: 'loading' }, 'Loading …')]
  }
  refresh()
  if (!about.found) {
    return [back, about.failure ? empty(about.failure.detail, `Next: ${about.failure.next}.`) : h('p', { class: 'loading' }, 'Loading …')]
  }
  const found = about.found
  const sent = found.direction === 'sent'
  return [back, panel('Trace', { tools: sent && isOpen(found) && messageButtons(found) },
    h('p', { class: 'headline' }, `${KINDS[found.kind] ?? plain(found.kind)} ${sent ? 'to' : 'from'} `,
      peerLink(found.peer_id, found.peer), statusBadge(found.status, found.detail)),
    found.waits_for && h('p', { class: 'why' }, h('b', {}, 'Why it is no further: '), said(found.waits_for, { limit: 600 })),
    h('ol', { class: 'timeline', 'aria-label': 'What happened to it' }, found.steps.map((step, index) =>
      h('li', { 'data-step': step.step },
        h('time', { datetime: new Date(step.at).toISOString(), title: format.exact(step.at) }, format.clock(step.at)),
        h('span', { class: 'what' }, STEPS[step.step]?.(step) ?? plain(step.step)),
        h('span', { class: 'after' }, index > 0 && `+${format.duration(step.at - found.steps[index - 1].at)}`)))),
    about.message && content(about.message),
    facts([
      ['Size', format.size(found.size)],
      ['Place among all to this peer', found.number],
      ['Number in the inbox', found.inbox_number && `n${found.inbox_number}`],
      ['Accepted', time(found.created)],
      ['Expires', found.expires && isOpen(found) && time(found.expires)],
      ['Id', copyable(found.message_id, 'message id')]
    ]))]
}

const content = (message) => [
  facts([['Status line', message.status && said(message.status)], ['Next action', message.next_action && said(message.next_action)]]),
  words(message.content)
]

async function refresh () {
  const about = state.ui.trace
  if (about.running || Date.now() - about.at < EVERY) return
  about.running = true
  try {
    about.found = await get(`/v1/messages/${encodeURIComponent(about.id)}/trace`)
    about.failure = null
    // What it says is kept by the outbox until it is settled.
    if (about.found.direction === 'sent' && isOpen(about.found) && about.found.size <= LARGE) {
      about.message = await get(`/v1/outbox/${encodeURIComponent(about.id)}`).catch(() => about.message)
    }
  } catch (failure) {
    about.failure = failure
  }
  Object.assign(about, { running: false, at: Date.now() })
  set({})
}

export const actions = {}
