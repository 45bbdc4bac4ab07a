// Files and large contents on their way.

import { act, fields } from '../act.js'
import { post } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, bar, button, command, empty, facts, field, panel, peerLink, pending, time, waits } from '../parts.js'
import { reload } from '../resources.js'
import { state } from '../store.js'
import { isolated, plain, said } from '../text.js'

export const title = 'Transfers'
export const needs = ['transfers', 'peers']

const KIND = {
  queued: 'idle', hashing: 'busy', offered: 'busy', running: 'busy', verifying: 'busy', complete: 'good', cancelled: 'idle', failed: 'bad'
}
const OVER = new Set(['complete', 'cancelled', 'failed'])

export function render () {
  return [
    panel('Transfers', {}, pending('transfers') ?? (state.data.transfers.length === 0
      ? empty('No transfers.', 'Send a file below, or from a shell: ', command('peer send <peer> <file>'),
        '. Whether this node takes files is for ', command('--accept-files'), ' to say.')
      : h('ul', { class: 'transfers' }, [...state.data.transfers].sort(latest).map(one)))),
    panel('Send a file', { id: 'send-file' }, h('form', { class: 'form', 'data-do': 'send-file' },
      field('To', h('input', { id: 'file-to', name: 'peer', required: true, list: 'file-peers', autocomplete: 'off', spellcheck: 'false' })),
      h('datalist', { id: 'file-peers' }, (state.data.peers ?? []).filter(({ entity }) => entity)
        .map(({ entity }) => h('option', { value: entity }))),
      field('File', h('input', { id: 'file-path', name: 'path', required: true, autocomplete: 'off', spellcheck: 'false', placeholder: '/home/me/report.pdf' }),
        'An absolute path on the machine that the node runs on. The node reads it.'),
      h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary', 'aria-disabled': waits('send-file') }, 'Send file'))))
  ]
}

/** Those under way first, then the latest. */
const latest = (a, b) => OVER.has(a.state) - OVER.has(b.state) || b.created - a.created

function one (transfer) {
  const { id, name, size, done, rate, direction } = transfer
  const over = OVER.has(transfer.state)
  const left = !over && rate > 0 && transfer.state === 'running' ? (size - done) / rate * 1000 : null
  const label = name ?? `content ${format.short(id)}`
  return h('li', { class: 'card transfer', 'data-key': id, 'data-transfer': id, 'data-state': transfer.state },
    h('p', { class: 'headline' },
      h('span', { class: 'direction', title: direction }, direction === 'outgoing' ? '↑' : '↓', h('span', { class: 'unseen' }, direction)),
      h('b', {}, isolated(label, { limit: 120 })), badge(KIND[transfer.state] ?? 'idle', plain(transfer.state)),
      h('span', { class: 'note' }, direction === 'outgoing' ? 'to ' : 'from ', peerLink(transfer.peer_id, transfer.peer)),
      h('span', { class: 'buttons' },
        !over && button({ label: 'Cancel', action: 'transfer-cancel', kind: 'small quiet', busy: `transfer ${id}`, id, name: `Cancel ${plain(label, 60)}` }),
        over && transfer.state !== 'complete' && direction === 'outgoing' &&
          button({ label: 'Retry', action: 'transfer-retry', kind: 'small', busy: `transfer ${id}`, id, name: `Retry ${plain(label, 60)}` }))),
    bar(done, size, `${plain(label, 60)}: ${percent(done, size)}`),
    h('p', { class: 'numbers' },
      h('b', {}, percent(done, size)), ` ${format.size(done)} of ${format.size(size)}`,
      !over && rate > 0 && ` · ${format.size(rate)}/s`,
      left != null && ` · ${format.duration(left)} left`,
      ' · ', over ? 'ended ' : 'began ', time(over ? transfer.updated : transfer.created)),
    transfer.detail && h('p', { class: 'why' }, transfer.code && h('code', {}, plain(transfer.code)), ' ', said(transfer.detail, { limit: 400 })),
    over && facts([
      ['At', transfer.path && h('code', {}, plain(transfer.path, 1000))],
      ['BLAKE3', transfer.digest && h('code', { class: 'digest' }, plain(transfer.digest))]
    ]))
}

const percent = (done, size) => `${size > 0 ? Math.floor(done / size * 100) : 100} %`

export const actions = {
  async 'transfer-cancel' ({ dataset: { id } }) {
    await act(`transfer ${id}`, () => post(`/v1/transfers/${id}/cancel`), 'The transfer is cancelled')
    reload('transfers')
  },
  async 'transfer-retry' ({ dataset: { id } }) {
    await act(`transfer ${id}`, () => post(`/v1/transfers/${id}/retry`, {}, { wait: 60_000 }), 'The transfer begins anew')
    reload('transfers')
  },
  async 'send-file' (form) {
    const { peer, path } = fields(form)
    const sent = await act('send-file', () =>
      post('/v1/transfers', { peer, path }, { key: crypto.randomUUID(), wait: 60_000 }), (transfer) => `Sending ${plain(transfer.name ?? path)}`)
    if (sent) form.elements.path.value = ''
    reload('transfers')
  }
}
