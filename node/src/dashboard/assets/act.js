// Doing what the reader asked for: once at a time, with the result said aloud and failures shown until
// they are dismissed.

import { ApiError } from './api.js'
import { changed, set, state } from './store.js'

/** Runs `work` unless `name` is under way already; says `done` (a text, or what makes one of the result). */
export async function act (name, work, done) {
  if (state.busy.has(name)) return undefined
  state.busy.add(name)
  set({ problem: null })
  try {
    const result = await work()
    const text = typeof done === 'function' ? done(result) : done
    if (text) announce(text)
    return result
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    set({ problem: { detail: error.detail, next: error.next, messageId: error.messageId } })
    return undefined
  } finally {
    state.busy.delete(name)
    changed()
  }
}

/** Says something to whoever does not look, and shows it for a moment. */
export function announce (text) {
  const place = document.getElementById('announce')
  place.textContent = text
  place.classList.add('visible')
  clearTimeout(announce.timer)
  announce.timer = setTimeout(() => place.classList.remove('visible'), 4000)
}

/** What a form says, by name; empty fields are left out. */
export const fields = (form) => Object.fromEntries(
  [...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value !== '')
)
