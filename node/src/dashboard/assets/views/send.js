// Sending: a report, or a task whose answer is waited for.

import { act, fields } from '../act.js'
import { post } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { command, empty, facts, field, panel, time } from '../parts.js'
import { reload } from '../resources.js'
import { set, state } from '../store.js'
import { isolated, plain, said } from '../text.js'
import { words } from './inbox.js'
import { statusBadge } from './outbox.js'

/** Most messages that are listed as sent from here. */
const MOST_SENT = 20
/** Most questions that wait for their answers: browsers open few connections to one node, and each takes one. */
const MOST_ASKING = 3
/** How long the node waits for an answer, in milliseconds. Longer, and it comes to the inbox. */
const ANSWER_WAIT = 60_000

export function sendForm () {
  const draft = state.ui
  const report = draft.sendKind === 'report'
  return [
    panel('Send a message', { id: 'send' },
      h('form', { class: 'form', 'data-do': 'send' },
        field('To', h('input', {
          id: 'send-to', name: 'peer', list: 'send-peers', required: true, value: draft.to ?? '', autocomplete: 'off', spellcheck: 'false'
        }), 'Entity id, peer id, fingerprint or address; names that are not known here are looked up.'),
        h('datalist', { id: 'send-peers' }, (state.data.peers ?? []).filter(({ entity }) => entity)
          .map(({ entity }) => h('option', { value: entity }))),
        h('fieldset', { class: 'choice' }, h('legend', {}, 'Kind'),
          choice('talk', 'Talk', 'asks the agent, and waits for its answer', !report),
          choice('report', 'Report', 'tells; wants no answer', report)),
        report && field('Status', h('input', { id: 'send-status', name: 'status', required: true, autocomplete: 'off' })),
        report && field('Next action', h('input', { id: 'send-next', name: 'next_action', autocomplete: 'off' })),
        field(report ? 'More' : 'Text', h('textarea', { id: 'send-text', name: 'text', rows: 5, required: !report })),
        h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Send')))),
    panel('Sent from this page', { id: 'sent' }, (draft.sent ?? []).length === 0
      ? empty('Nothing yet.', 'What you send appears here with its receipts. From a shell: ', command('peer talk <peer> \'hello\''))
      : h('ul', { class: 'sent' }, draft.sent.map(sentLine)))
  ]
}

const choice = (value, label, hint, checked) => h('label', {},
  h('input', { type: 'radio', name: 'kind', value, checked, 'data-change': 'send-kind' }), h('span', {}, h('b', {}, label), ` ${hint}`))

/** The line of one message, with what the outbox says of it now. */
function sentLine (sent) {
  const line = state.data.outbox?.items.find(({ message_id: id }) => id === sent.messageId)
  const status = line?.status ?? sent.status
  return h('li', { 'data-key': sent.key, class: 'card', 'data-status': status },
    h('p', { class: 'headline' }, isolated(sent.peer), sent.answer
      ? statusBadge(sent.answer.done ? 'processed' : 'failed', 'the agent answered')
      : sent.failure ? statusBadge('failed', sent.failure.detail) : statusBadge(status ?? 'queued'),
    h('span', { class: 'note' }, sent.kind, ', ', time(sent.at)),
    sent.messageId && h('a', { href: `#/messages/trace/${sent.messageId}` }, 'Trace')),
    h('p', { class: 'quote' }, said(sent.text, { limit: 200 })),
    line?.waits_for && facts([['Waits', said(line.waits_for)]]),
    sent.answer && [h('p', { class: 'note' }, `Answer after ${format.roundTrip(sent.answer.round_trip_us)}:`), words(sent.answer.content)],
    sent.failure && h('p', { class: 'why' }, said(sent.failure.detail, { limit: 600 }), ` Next: ${plain(sent.failure.next)}.`))
}

/** Whether a question is only late: the node keeps it, and the answer will come to the inbox. */
export const goesOn = ({ kind, messageId }) => kind === 'timeout' && messageId != null

async function deliver (sent, ask) {
  const list = [sent, ...(state.ui.sent ?? [])].slice(0, MOST_SENT)
  state.ui.sent = list
  set({})
  try {
    Object.assign(sent, await ask())
  } catch (failure) {
    sent.messageId = failure.messageId ?? sent.messageId
    if (!goesOn(failure)) sent.failure = failure
  }
  set({})
  reload('outbox')
}

export const actions = {
  'send-kind' (input) {
    state.ui.sendKind = input.value
    set({})
  },
  async send (form) {
    const { peer, kind, text = '', status, next_action: next } = fields(form)
    if (kind === 'talk' && state.ui.asking >= MOST_ASKING) {
      set({ problem: { detail: `${MOST_ASKING} questions from this page wait for their answers already`, next: 'wait for one, or ask with `peer talk`' } })
      return
    }
    const key = crypto.randomUUID()
    const sent = { key, peer, kind, at: Date.now(), text: kind === 'report' ? [status, next, text].filter(Boolean).join(' · ') : text }
    state.ui.to = peer
    for (const name of ['text', 'status', 'next_action']) if (form.elements[name]) form.elements[name].value = ''
    if (kind === 'report') {
      const body = { peer, status, next_action: next, content: text ? { text } : undefined, wait: 'queued' }
      await act(`send ${key}`, () => deliver(sent, async () => {
        const reported = await post('/v1/report', body, { key, wait: 40_000 })
        return { messageId: reported.message_id, status: reported.status }
      }))
    } else {
      state.ui.asking = (state.ui.asking ?? 0) + 1
      const body = { peer, content: { text }, timeout_ms: ANSWER_WAIT }
      await act(`send ${key}`, () => deliver(sent, async () => {
        const answer = await post('/v1/talk', body, { key, wait: ANSWER_WAIT + 10_000 })
        return { messageId: answer.message_id, answer }
      }))
      state.ui.asking -= 1
    }
  }
}
