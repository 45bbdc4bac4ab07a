// The inbox: what waits for the agent. Reading takes nothing off it; acknowledging and answering do.

import { act } from '../act.js'
import { get, post } from '../api.js'
import { h } from '../dom.js'
import * as format from '../format.js'
import { badge, button, command, copyable, empty, facts, field, panel, peerLink, pending, table, time, waits } from '../parts.js'
import { reload } from '../resources.js'
import { set, state } from '../store.js'
import { block, isolated, plain, said } from '../text.js'
import { KINDS } from './outbox.js'
import { encryption, trustBadge } from './shared.js'

export function inbox () {
  return panel('Inbox', { note: 'what waits for the agent' }, pending('inbox') ?? content(state.data.inbox))
}

const content = ({ items, next }) => items.length === 0
  ? empty('Nothing waits.', 'What peers send stays here until an agent has dealt with it. Attach one: ',
    command('peer listen --exec <command>'))
  : [
      table({
        caption: 'Messages that wait for the agent',
        columns: [{ title: 'No.' }, { title: 'From' }, { title: 'Kind' }, { title: 'Size', class: 'number' },
          { title: 'Came' }, { title: 'Agent' }, { title: 'Actions', class: 'act' }],
        rows: items.map((line) => ({
          key: `n${line.number}`,
          cells: [
            h('a', { href: `#/messages/inbox/n${line.number}`, 'aria-label': `Open message n${line.number}` }, `n${line.number}`),
            peerLink(line.from_peer_id, line.from), KINDS[line.kind] ?? plain(line.kind), format.size(line.size),
            time(line.received_at), line.handed ? badge('busy', 'has it') : badge('idle', 'waits'),
            h('span', { class: 'buttons' },
              button({ label: 'Open', action: 'inbox-open', kind: 'small', number: `n${line.number}`, name: `Open n${line.number}` }),
              button({
                label: 'Acknowledge', action: 'inbox-ack', kind: 'small quiet', busy: `ack n${line.number}`,
                number: `n${line.number}`, name: `Acknowledge n${line.number}`
              }))
          ]
        }))
      }),
      next != null && h('p', { class: 'note' }, 'There are more; acknowledge these first, or use ', command('peer inbox --all'))
    ]

/** Longest message that is fetched without being asked for, in bytes. */
export const LARGE = 1 << 20

/** A message that one may not want in a browser. */
const large = (line, number) => panel(`Message ${number}`, {
  tools: button({ label: 'Acknowledge', action: 'inbox-ack', busy: `ack ${number}`, number })
},
h('p', { class: 'headline' }, peerLink(line.from_peer_id, line.from), badge('idle', KINDS[line.kind] ?? plain(line.kind))),
empty(`It has ${format.size(line.size)}.`, 'Most of it would not be shown here; an agent gets the whole. ',
  button({ label: 'Load it all the same', action: 'inbox-load', kind: 'small', number })))

/** One message, whole. */
export function inboxMessage (number) {
  const back = h('p', { class: 'back', 'data-key': 'back' }, h('a', { href: '#/messages/inbox' }, '← Inbox'))
  const opened = state.ui.opened
  const line = state.data.inbox?.items.find((line) => `n${line.number}` === number)
  if (opened?.number !== number) {
    if (line?.size > LARGE && state.ui.large !== number) return [back, large(line, number)]
    open(number)
    return [back, h('p', { class: 'loading' }, 'Loading …')]
  }
  if (opened.failure) return [back, empty(opened.failure.detail, `Next: ${opened.failure.next}.`)]
  if (!opened.message) return [back, h('p', { class: 'loading' }, 'Loading …')]
  const message = opened.message
  return [back, panel(`Message ${number}`, {
    tools: button({ label: 'Acknowledge', action: 'inbox-ack', busy: `ack ${number}`, number })
  },
  h('p', { class: 'headline' }, peerLink(message.from_peer_id, message.from), badge('idle', KINDS[message.kind] ?? plain(message.kind)),
    encryption({ encrypted: message.encrypted, session: { state: 'READY' } }), trustBadge(message.trust)),
  message.status != null && facts([
    ['Status', said(message.status, { limit: 4000 })],
    ['Next action', message.next_action && said(message.next_action, { limit: 4000 })]
  ]),
  words(message.content),
  facts([
    ['Came', time(message.received_at)],
    ['File', message.file && [isolated(message.file.name), `, ${format.size(message.file.size)}, at `, h('code', {}, plain(message.file.path, 1000))]],
    ['Conversation', message.conversation && said(message.conversation)],
    ['Done', message.done == null ? null : message.done ? 'yes' : 'no'],
    ['Answers', message.in_reply_to && h('code', {}, plain(message.in_reply_to))],
    ['Id', copyable(message.message_id, 'message id')]
  ]),
  message.kind === 'task' && answerForm(message))]
}

/** A content: text as it is; what is no text by its size. */
export function words (content) {
  if (!content) return null
  if (content.text) return block(content.text)
  if (content.base64 && content.content_type?.startsWith('text/')) return block(decoded(content.base64))
  if (content.base64) {
    return h('p', { class: 'note' }, `${format.size(Math.floor(content.base64.length * 3 / 4))} that are no text`,
      content.content_type && [' (', isolated(content.content_type), ')'])
  }
  return null
}

/** Text with many characters to escape comes in base64, which is shorter. */
const decoded = (base64) => new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))

const answerForm = (message) => h('form', { class: 'form', 'data-do': 'inbox-answer', 'data-id': message.message_id, 'data-key': 'answer' },
  h('h3', {}, 'Answer'),
  field('Text', h('textarea', { id: 'answer-text', name: 'text', rows: 4, required: true }),
    'The answer goes to the sender, and takes the task off the inbox.'),
  h('div', { class: 'actions' },
    h('button', { type: 'submit', name: 'done', value: 'true', class: 'primary', 'aria-disabled': waits('answer') }, 'Answer: done'),
    h('button', { type: 'submit', name: 'done', value: 'false', 'aria-disabled': waits('answer') }, 'Answer: not done')))

async function open (number) {
  state.ui.opened = { number }
  try {
    state.ui.opened = { number, message: await get(`/v1/inbox/${encodeURIComponent(number)}`) }
  } catch (failure) {
    state.ui.opened = { number, failure }
  }
  set({})
}

/** Leaves a message that was dealt with. */
function gone () {
  if (location.hash.startsWith('#/messages/inbox/')) location.hash = '#/messages/inbox'
  reload('inbox')
}

export const actions = {
  'inbox-open' ({ dataset: { number } }) {
    location.hash = `#/messages/inbox/${number}`
  },
  'inbox-load' ({ dataset: { number } }) {
    state.ui.large = number
    set({})
  },
  async 'inbox-ack' ({ dataset: { number } }) {
    const done = await act(`ack ${number}`, () => post('/v1/inbox/ack', { ids: [number] }), (answer) =>
      answer.unknown.length > 0 ? `${number} is not in the inbox any more` : `${number} is acknowledged`)
    if (done) gone()
  },
  async 'inbox-answer' (form, event) {
    const text = new FormData(form).get('text')
    const done = event.submitter?.value !== 'false'
    const answered = await act('answer', () =>
      post('/v1/answer', { message_id: form.dataset.id, content: { text }, done }), 'The answer is on its way')
    if (answered) gone()
  }
}
