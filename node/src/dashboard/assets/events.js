// The node's events as they happen. EventSource cannot send a token, so the stream is read by hand.

import { assured, credentials, distrust } from './api.js'

/** An event stream that says nothing for so long, not even that it is there, is dead; in milliseconds. */
const SILENCE = 45_000
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 15_000
/** Longest event that is held, in characters. */
const LONGEST_EVENT = 1 << 20

/**
 * Follows `path` until `stop()` is called, across lost connections, each time from the last event that
 * came. Calls `on.event(name, data)`, `on.state('connecting' | 'live' | 'waiting', ms)`, and
 * `on.refused()`, after which it ends.
 */
export function follow (path, on) {
  let stopped = false
  let last = null
  let pause = FIRST_PAUSE
  let current = null

  const run = async () => {
    while (!stopped) {
      on.state('connecting')
      current = new AbortController()
      try {
        await assured(path)
        const headers = { ...credentials(), accept: 'text/event-stream' }
        if (last != null) headers['last-event-id'] = last
        const response = await fetch(path, {
          headers, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: current.signal
        })
        if (response.status === 401) {
          stopped = true
          on.refused()
          return
        }
        if (response.ok) {
          on.state('live')
          await read(response.body, current, (event) => {
            pause = FIRST_PAUSE
            if (event.id != null) last = event.id
            if (event.name === 'reset') last = event.id
            on.event(event.name, event.data)
          })
        }
      } catch (error) {
        if (error.status === 401) {
          stopped = true
          on.refused()
          return
        }
        // The connection ended. What that means to the reader is the state below.
      }
      distrust()
      current.abort()
      if (stopped) return
      // Spread, so that pages do not come back to a node all at once.
      const wait = pause * (0.75 + Math.random() / 2)
      on.state('waiting', wait)
      await new Promise((resolve) => setTimeout(resolve, wait))
      pause = Math.min(2 * pause, LONGEST_PAUSE)
    }
  }
  run()
  return { stop () { stopped = true; current?.abort() } }
}

async function read (body, controller, each) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const decoder = new Decoder()
  let silence
  const listen = () => {
    clearTimeout(silence)
    silence = setTimeout(() => controller.abort(), SILENCE)
  }
  try {
    for (listen(); ; listen()) {
      const { done, value } = await reader.read()
      if (done) return
      for (const event of decoder.push(value)) each(event)
    }
  } finally {
    clearTimeout(silence)
  }
}

/** Puts pieces of text together to events. */
export class Decoder {
  #rest = ''
  #event = { name: 'message', data: [], id: null, length: 0 }

  /** The events that are complete with `text`; their data parsed, and those without any left out. */
  push (text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?=[^])/)
    this.#rest = lines.pop()
    if (this.#rest.length > LONGEST_EVENT) throw new RangeError('an event is too long')
    return lines.map((line) => this.#line(line)).filter(Boolean)
  }

  #line (line) {
    if (line === '') {
      const { name, data, id } = this.#event
      this.#event = { name: 'message', data: [], id: null, length: 0 }
      if (data.length === 0 && name !== 'reset') return null
      try {
        return { name, data: data.length > 0 ? JSON.parse(data.join('\n')) : {}, id }
      } catch {
        return null
      }
    }
    const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line)
    this.#event.length += line.length
    if (this.#event.length > LONGEST_EVENT) throw new RangeError('an event is too long')
    if (field === 'event') this.#event.name = value
    else if (field === 'id') this.#event.id = value
    else if (field === 'data') this.#event.data.push(value)
    return null
  }
}
