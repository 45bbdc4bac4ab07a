// Elements, and how the page becomes what a view describes. Nothing here parses markup: strings become
// text nodes and attribute values, never elements.

const SVG = 'http://www.w3.org/2000/svg'

/** An HTML element. Attributes that are null, undefined or false are left out. */
export const h = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children)

/** The same in SVG. */
export const s = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children)

function fill (element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue
    if (name.startsWith('on')) throw new TypeError(`${name}: handlers are found by data-do`)
    element.setAttribute(name, value === true ? '' : String(value))
  }
  append(element, children)
  return element
}

function append (element, children) {
  for (const child of children) {
    if (child == null || child === false) continue
    if (Array.isArray(child)) append(element, child)
    else element.append(child instanceof Node ? child : String(child))
  }
}

/**
 * Makes the children of `parent` look like `wanted`, and keeps those that are there: focus, selection,
 * scroll positions and what somebody typed survive. Children with `data-key` keep their identity when
 * they move.
 */
export function patch (parent, wanted) {
  const next = [wanted].flat(Infinity).filter((child) => child != null && child !== false)
    .map((child) => child instanceof Node ? child : document.createTextNode(String(child)))
  const keyed = new Map()
  for (const child of parent.childNodes) {
    const key = keyOf(child)
    if (key) keyed.set(key, child)
  }
  const stays = new Set(next.map(keyOf).filter(Boolean))
  let at = parent.firstChild
  for (const child of next) {
    while (at && keyOf(at) && !stays.has(keyOf(at))) at = removed(at)
    const key = keyOf(child)
    const old = key ? keyed.get(key) : at
    if (old && alike(old, child)) {
      if (old === at) at = at.nextSibling
      else parent.insertBefore(old, at)
      become(old, child)
    } else {
      parent.insertBefore(child, at)
    }
  }
  while (at) at = removed(at)
}

const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE ? node.getAttribute('data-key') : null

const alike = (a, b) => a.nodeName === b.nodeName && a.id === b.id && keyOf(a) === keyOf(b)

function removed (node) {
  const next = node.nextSibling
  node.remove()
  return next
}

function become (old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue
    return
  }
  for (const { name } of [...old.attributes]) {
    // Who reads opens and closes these; a view only says how they begin.
    if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name)
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && name !== 'open') old.setAttribute(name, value)
  }
  patch(old, [...next.childNodes])
}
