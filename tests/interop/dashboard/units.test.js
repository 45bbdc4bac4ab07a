// The parts of the page that need no browser: the event stream, text of strangers, times and sizes.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'

globalThis.sessionStorage = { getItem: () => 'the token' }
const { Decoder, follow } = await import(`${process.env.ASSETS}/events.js`)
const { plain } = await import(`${process.env.ASSETS}/text.js`)
const format = await import(`${process.env.ASSETS}/format.js`)
const { lifeText } = await import(`${process.env.ASSETS}/views/peers.js`)
const { goesOn } = await import(`${process.env.ASSETS}/views/send.js`)

test('events come out whole however they come in', () => {
  const stream = ': still here\n\nid: a-1\nevent: connected\ndata: {"peer_id":\ndata: "é"}\n\r\ndata:[1]\r\n\r\nevent: reset\nid: a-9\n\n' +
    'data: no json\n\nid: a-10\n\n'
  const wanted = [
    { name: 'connected', data: { peer_id: 'é' }, id: 'a-1' },
    { name: 'message', data: [1], id: null },
    { name: 'reset', data: {}, id: 'a-9' }
  ]
  for (let size = 1; size <= stream.length; size++) {
    const decoder = new Decoder()
    const events = []
    for (let at = 0; at < stream.length; at += size) events.push(...decoder.push(stream.slice(at, at + size)))
    assert.deepEqual(events, wanted, `in pieces of ${size}`)
  }
})

test('an endless line, and an endless event, are not held', () => {
  const part = 'x'.repeat(1 << 16)
  const endless = (before, line) => {
    const decoder = new Decoder()
    decoder.push(before)
    for (let count = 0; count < 20; count++) decoder.push(line)
  }
  assert.throws(() => endless('data: ', part), RangeError)
  assert.throws(() => endless('', `data: ${part}\n`), RangeError)
})

/** What a node answers to `GET /v1/proof`. */
function prove (request, response, token = 'the token') {
  const nonce = new URL(request.url, 'http://x').searchParams.get('nonce')
  assert.match(nonce, /^[0-9a-f]{64}$/)
  assert.equal(request.headers.authorization, undefined)
  const text = `peer-api-proof:${request.socket.localPort}:${nonce}`
  response.end(JSON.stringify({ proof: createHmac('sha256', token).update(text).digest('hex') }))
}

test('nobody gets the token who does not prove to know it', async () => {
  for (const imposter of [
    (request, response) => response.end('{}'),
    (request, response) => response.writeHead(404).end('{}'),
    (request, response) => prove(request, response, 'another token')
  ]) {
    const tokens = []
    const server = createServer((request, response) => {
      tokens.push(request.headers.authorization)
      imposter(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await new Promise((resolve) => follow(`http://127.0.0.1:${server.address().port}/v1/events`, { state () {}, refused: resolve }))
    server.close()
    assert.deepEqual(tokens, [undefined])
  }
})

test('whoever takes the port of a node that has stopped gets no token', async () => {
  const tokens = []
  let own = true
  const server = createServer((request, response) => {
    tokens.push([own, request.headers.authorization])
    if (!own) return response.end('{}')
    if (request.url.startsWith('/v1/proof')) return prove(request, response)
    own = false
    response.end('id: a-1\nevent: connected\ndata: {"at":1}\n\n')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await new Promise((resolve) => follow(`http://127.0.0.1:${server.address().port}/v1/events`, { event () {}, state () {}, refused: resolve }))
  server.close()
  assert.deepEqual(tokens, [[true, undefined], [true, 'Bearer the token'], [false, undefined]])
})

test('a stream that is cut goes on after the last event, with the token, until it is refused', async () => {
  const asked = []
  const answers = [
    (response) => response.end('id: a-1\nevent: connected\ndata: {"at":1}\n\n'),
    (response) => response.end('id: a-2\nevent: disconnected\ndata: {"at":2}\n\nid: a-3\nevent: cut off\ndata: {'),
    (response) => response.writeHead(500).end(),
    (response) => response.end('id: b-7\nevent: reset\ndata: {}\n\n'),
    (response) => response.writeHead(401).end()
  ]
  const server = createServer((request, response) => {
    if (request.url.startsWith('/v1/proof')) return prove(request, response)
    asked.push([request.headers['last-event-id'], request.headers.authorization])
    answers[asked.length - 1](response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const events = []
  const states = []
  await new Promise((resolve) => follow(`http://127.0.0.1:${server.address().port}/v1/events`, {
    event: (name) => events.push(name), state: (state) => states.push(state), refused: resolve
  }))
  server.close()
  assert.deepEqual(events, ['connected', 'disconnected', 'reset'])
  const token = 'Bearer the token'
  assert.deepEqual(asked, [[undefined, token], ['a-1', token], ['a-2', token], ['a-2', token], ['b-7', token]])
  assert.equal(states.filter((state) => state === 'live').length, 3)
})

test('characters that act are spelt out, and what is long is cut between characters', () => {
  assert.equal(plain('a\u202eb\u0007\u{e0041}'), 'a⟨U+202E⟩b⟨U+0007⟩⟨U+E0041⟩')
  assert.equal(plain('naïve 日本語 שלום 👍'), 'naïve 日本語 שלום 👍')
  assert.equal(plain('a👍b', 2), 'a… (3 more)')
  assert.equal(plain(undefined), '')
})

test('times and sizes are short', () => {
  const now = Date.UTC(2026, 0, 2)
  const ago = (ms) => format.relative(now - ms, now)
  assert.deepEqual([ago(0), ago(59_000), ago(3_599_000), ago(86_400_000), ago(-604_799_000)],
    ['just now', '59 s ago', '59 min ago', '1 d ago', 'in 7 d'])
  assert.deepEqual([0, 61_000, 3_600_000, 90_000_000, NaN].map((ms) => format.duration(ms)), ['0 ms', '1 min 1 s', '1 h', '1 d 1 h', '–'])
  assert.deepEqual([0, 1023, 1024, 10 << 20, 3 * 2 ** 40].map(format.size), ['0 B', '1023 B', '1.0 KiB', '10 MiB', '3.0 TiB'])
  assert.deepEqual([999, 1500, 25_400, null].map(format.roundTrip), ['999 µs', '1.5 ms', '25 ms', '–'])
})

test('an agent that cannot be asked is not said to be absent', () => {
  assert.equal(lifeText({ alive: true, agent: false, agent_state: 'unknown' }), 'attached, cannot be asked')
  assert.equal(lifeText({ alive: true, agent: false, agent_state: 'unresponsive' }), 'attached, but does not respond')
  assert.equal(lifeText({ alive: true, agent: false, agent_state: 'absent' }), 'none attached')
  assert.equal(lifeText({ alive: true, agent: true }), 'attached')
  assert.equal(lifeText({ alive: true, agent: false }), 'none attached')
  assert.equal(lifeText({ alive: false, agent: false }), 'the node does not answer')
})

test('a question that the node keeps is no failure, one that got lost is', () => {
  assert.ok(goesOn({ kind: 'timeout', messageId: 'm-1' }))
  assert.ok(!goesOn({ kind: 'timeout' }))
  assert.ok(!goesOn({ kind: 'refused', messageId: 'm-1' }))
})
