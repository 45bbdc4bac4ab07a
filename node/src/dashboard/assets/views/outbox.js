// The outbox: how far each message has come, why it has come no further, and what can be done.

import { act } from '../act.js'
import { get, post } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, button, command, empty, panel, peerLink, pending, table, time } from '../parts.js'
import { reload } from '../resources.js'
import { set, state } from '../store.js'
import { plain, said } from '../text.js'

/** What each status says, honestly. */
const STATUS = {
  queued: ['busy', 'waits here, on disk; certainly not sent'],
  sent: ['busy', 'may have been sent'],
  received: ['good', 'the peer\'s node holds it in memory'],
  delivered: ['good', 'on disk at the peer'],
  processed: ['good', 'the peer\'s agent took it'],
  expired: ['warn', 'its time ran out; certainly never sent'],
  unknown: ['warn', 'may have been sent, and nobody can tell what became of it'],
  failed: ['bad', 'the peer refused it for good'],
  cancelled: ['idle', 'cancelled; certainly never sent']
}

/** What a message is, in words. */
export const KINDS = {
  task: 'task', status_report: 'report', wake_up: 'wake-up', answer: 'answer', file: 'file'
}

export const statusBadge = (status, detail) => {
  const [kind, title] = STATUS[status] ?? ['idle', '']
  return badge(kind, plain(status), detail ? `${title}: ${detail}` : title)
}

/** Whether the node still tries. */
export const isOpen = (line) => line.status === 'queued' || line.status === 'sent'

export function outbox () {
  const all = state.ui.outboxAll !== false
  const tools = h('label', { class: 'switch' },
    h('input', { type: 'checkbox', 'data-change': 'outbox-all', checked: all }), ' settled ones, too')
  return panel('Outbox', { tools }, pending('outbox') ?? content(state.data.outbox, all))
}

function content ({ items, next }, all) {
  if (items.length === 0) {
    return empty(all ? 'Nothing was sent lately.' : 'Nothing waits to be sent.',
      h('a', { href: '#/messages/send' }, 'Send a message'), ', or type ', command('peer talk <peer> \'hello\''), '.')
  }
  const more = state.ui.outboxMore ?? []
  const cursor = state.ui.outboxMore ? state.ui.outboxNext : next
  return [
    table({
      caption: 'Messages that this node sends, or has sent lately',
      columns: [{ title: 'Status' }, { title: 'To' }, { title: 'Kind' }, { title: 'Why it is no further', class: 'wide' },
        { title: 'Size', class: 'number' }, { title: 'Sent' }, { title: 'Expires' }, { title: 'Id' }, { title: 'Actions', class: 'act' }],
      rows: [...[...items].sort(openFirst), ...more].map(row)
    }),
    cursor != null && button({ label: 'Show more', action: 'outbox-more', busy: 'outbox-more', after: cursor })
  ]
}

/** What still waits first, then the latest. */
const openFirst = (a, b) => isOpen(b) - isOpen(a) || b.created - a.created

const row = (line) => ({
  key: line.message_id,
  cells: [
    statusBadge(line.status, line.detail), peerLink(line.peer_id, line.peer), KINDS[line.kind] ?? plain(line.kind),
    (line.waits_for ?? line.detail) && said(line.waits_for ?? line.detail),
    format.size(line.size), time(line.created), isOpen(line) && time(line.expires),
    h('a', { href: `#/messages/trace/${line.message_id}`, 'aria-label': `Trace ${format.short(line.message_id)}` },
      h('code', {}, format.short(line.message_id))),
    isOpen(line) && messageButtons(line)
  ]
})

export const messageButtons = ({ message_id: id }) => h('span', { class: 'buttons' },
  button({ label: 'Retry', action: 'outbox-retry', kind: 'small', busy: `retry ${id}`, id, name: `Retry ${format.short(id)}` }),
  button({ label: 'Cancel', action: 'outbox-cancel', kind: 'small quiet', busy: `cancel ${id}`, id, name: `Cancel ${format.short(id)}` }))

export const actions = {
  'outbox-all' (box) {
    Object.assign(state.ui, { outboxAll: box.checked, outboxMore: undefined })
    reload('outbox')
  },
  'outbox-more': ({ dataset: { after } }) => act('outbox-more', async () => {
    const all = state.ui.outboxAll !== false
    const page = await get(`/v1/outbox?limit=100${all ? '&all=true' : ''}&after=${encodeURIComponent(after)}`)
    const have = state.ui.outboxMore ?? []
    Object.assign(state.ui, { outboxMore: [...have, ...page.items].slice(-2000), outboxNext: page.next })
    set({})
  }),
  async 'outbox-retry' ({ dataset: { id } }) {
    await act(`retry ${id}`, () => post(`/v1/outbox/${id}/retry`), 'Trying again now')
    reload('outbox')
  },
  async 'outbox-cancel' ({ dataset: { id } }) {
    await act(`cancel ${id}`, () => post(`/v1/outbox/${id}/cancel`), (line) => `The message is ${plain(line.status)}`)
    reload('outbox')
  }
}
