// What peers write is shown as text and as nothing else. Characters that act instead of showing (control
// characters, direction overrides, what has no width) appear as their code points.

import { h } from './dom.js'

const ACTING = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu

const code = (character) =>
  `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`

/** `text` as one string, for attributes and captions; at most `limit` characters. */
export function plain (text, limit = 300) {
  const whole = String(text ?? '')
  return cut(whole, limit).replace(ACTING, (character) => `⟨${code(character)}⟩`)
}

/** Children that show `text`, at most `limit` characters; line ends and tabs act if `lines` is set. */
export function shown (text, { limit = 300, lines = false } = {}) {
  const parts = []
  const visible = cut(String(text ?? ''), limit)
  let from = 0
  for (const match of visible.matchAll(ACTING)) {
    if (lines && (match[0] === '\n' || match[0] === '\t')) continue
    parts.push(visible.slice(from, match.index))
    const name = code(match[0])
    parts.push(h('span', { class: 'code-point', title: `character ${name}` }, name))
    from = match.index + match[0].length
  }
  parts.push(visible.slice(from))
  return parts.filter((part) => part !== '')
}

/** `text` in a box of its own, whose direction does not leak into what stands around it. */
export const isolated = (text, options) => h('bdi', { class: 'name' }, ...shown(text, options))

/** The same for what is said, and is nobody's name. */
export const said = (text, options) => h('bdi', {}, ...shown(text, options))

/** Several lines of text, as they were written. */
export const block = (text, limit = 20_000) =>
  h('pre', { class: 'text', dir: 'auto', tabindex: 0 }, ...shown(text, { limit, lines: true }))

function cut (text, limit) {
  if (text.length <= limit) return text
  // Not in the middle of a surrogate pair.
  const end = /[\ud800-\udbff]/.test(text[limit - 1]) ? limit - 1 : limit
  return `${text.slice(0, end)}… (${text.length - end} more)`
}
