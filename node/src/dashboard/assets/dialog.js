// Questions that stop everything else: the browser keeps the focus inside, Escape answers no.

import { h, patch } from './dom.js'
import { button } from './parts.js'

let settle = null

/**
 * Asks for a confirmation, or for what `body` (with form fields) wants to know. Resolves to the form's
 * data, or to null if the reader turned back.
 */
export function ask ({ title, body, confirm, danger = false, cancel = 'Cancel' }) {
  const dialog = document.getElementById('dialog')
  settle?.(null)
  patch(dialog, [])
  patch(dialog, h('form', { method: 'dialog', 'data-do': 'dialog' },
    h('h2', { id: 'dialog-title' }, title),
    body,
    h('div', { class: 'actions' },
      button({ label: cancel, action: 'dialog-cancel', kind: 'quiet' }),
      h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, confirm))))
  return new Promise((resolve) => {
    settle = resolve
    dialog.onclose = () => finish(null)
    if (!dialog.open) dialog.showModal()
  })
}

function finish (answer) {
  const tell = settle
  settle = null
  tell?.(answer)
  if (!document.getElementById('dialog').open) patch(document.getElementById('dialog'), [])
}

export const actions = {
  dialog (form) {
    const answer = new FormData(form)
    const dialog = document.getElementById('dialog')
    dialog.onclose = null
    dialog.close()
    finish(answer)
  },
  'dialog-cancel' () {
    document.getElementById('dialog').close()
  }
}
