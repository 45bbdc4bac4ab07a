// Who may look, and what peers cannot do to the page.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'

import { assertClean, Browser, screenshot, visit } from './browser.js'
import { Node } from './node.js'

const NAME = '<img src=x onerror=alert(1)>'
/** Text that would run, restyle, or read backwards, if it were let. */
const TEXT = '</pre><img src=x onerror=alert(2)><script>alert(3)</script> \u202egnp.exe\u202c \u200b\u2066x\u2069 \u001b[31mred\u001b[0m'

let alice, mallory, browser

before(async () => {
  [alice, mallory] = await Promise.all([Node.start('alice'), Node.start(NAME)])
  browser = await Browser.start()
  await mallory.run('connect', alice.address)
})

after(async () => {
  await browser?.stop()
  await Promise.all([alice, mallory].map((node) => node?.stop()))
})

/** Sends a request as no browser would; returns its status and headers. */
function raw (path, headers = {}) {
  const { hostname, port } = new URL(alice.url)
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, headers }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, headers: answer.headers })
    }).on('error', reject).end()
  })
}

test('without a token the page asks for one, and tells nothing', async () => {
  const page = await browser.open(`${new URL(alice.url).origin}/`)
  await page.getByRole('heading', { name: 'This node wants its token' }).waitFor()
  assert.ok(!page.requests.some((url) => url.includes('/v1/')), 'the API is not even asked')
  assert.ok(!(await page.content()).includes(alice.peerId))
  await screenshot(page, 'lock')
  await page.getByLabel('Token', { exact: true }).fill(new URL(alice.url).hash.replace('#token=', ''))
  await page.getByRole('button', { name: 'Open' }).click()
  await page.locator('.link .badge.good').waitFor()
  assertClean(assert, page)
  await page.context().close()
})

test('a wrong token is refused, forgotten, and can be corrected', async () => {
  const page = await browser.open(`${new URL(alice.url).origin}/#token=wrong`)
  await page.getByRole('alert').filter({ hasText: 'does not accept this token' }).waitFor()
  assert.ok(!page.url().includes('wrong'))
  assert.equal(await page.evaluate(() => sessionStorage.getItem('peer-token')), null)
  assert.ok(!(await page.content()).includes(alice.peerId))
  await page.getByLabel('Token', { exact: true }).fill(new URL(alice.url).hash.replace('#token=', ''))
  await page.getByRole('button', { name: 'Open' }).click()
  await page.locator('.brand', { hasText: 'alice' }).waitFor()
  assertClean(assert, page, (line) => /status of 401/.test(line))
  await page.context().close()
})

test('names and texts of peers stay text', async () => {
  await mallory.feed(TEXT, 'talk', 'alice', '-', '--timeout', '1s')
  await mallory.run('report', 'alice', TEXT, '--next-action', TEXT)
  const page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
  for (const view of ['mesh', 'peers', `peers/${mallory.peerId}`, 'sessions', 'messages/outbox', 'messages/inbox', 'transfers', 'log']) {
    await visit(page, view)
    if (['mesh', 'peers', 'sessions', 'messages/inbox'].includes(view)) {
      await page.locator('bdi', { hasText: NAME }).first().waitFor()
    }
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0, view)
  }
  await visit(page, 'messages/inbox')
  for (const { number } of (await alice.run('inbox')).items) {
    await visit(page, `messages/inbox/n${number}`)
    await page.locator('.code-point', { hasText: 'U+202E' }).first().waitFor()
    const text = await page.locator('main').innerText()
    assert.ok(text.includes('<script>alert(3)</script>'), text)
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b\u001b]/.test(await page.evaluate(() => document.body.textContent)), 'a character acts')
    assert.equal(await page.locator('main img, main script').count(), 0)
    await screenshot(page, `hostile-n${number}`)
  }
  assertClean(assert, page)
  await page.context().close()
})

test('the browser itself would stop markup and foreign scripts', async () => {
  const page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
  const before = page.complaints.length
  const stopped = await page.evaluate(async () => {
    const tried = {}
    try {
      document.createElement('div')['inner' + 'HTML'] = '<b>x</b>'
    } catch (error) {
      tried.markup = error.name
    }
    try {
      document.createElement('button').setAttribute('onclick', 'window.ran = true')
    } catch (error) {
      tried.handler = error.name
    }
    const script = document.createElement('script')
    script.append('window.ran = true')
    document.body.append(script)
    tried.inline = window.ran === undefined
    tried.elsewhere = await fetch('http://localhost:1/').then(() => 'reached', (error) => error.name)
    return tried
  })
  assert.deepEqual(stopped, { markup: 'TypeError', handler: 'TypeError', inline: true, elsewhere: 'TypeError' })
  assert.ok(page.complaints.slice(before).some((line) => /Content Security Policy/.test(line)))
  await page.context().close()
})

test('files are public, everything else wants the token, and nobody else\'s name is answered', async () => {
  const { host } = new URL(alice.url)
  assert.equal((await raw('/')).status, 200)
  assert.equal((await raw('/dashboard/app.js')).status, 200)
  for (const path of ['/dashboard/../api.token', '/dashboard/%2e%2e/api.token', '/dashboard/..%2f..%2fapi.token', '/dashboard/views']) {
    assert.equal((await raw(path)).status, 404, path)
  }
  for (const path of ['/v1/status', '/v1/events', '/v1/inbox', '/v1/nothing']) {
    assert.equal((await raw(path)).status, 401, path)
    assert.equal((await raw(path, { authorization: 'Bearer wrong' })).status, 401, path)
  }
  for (const path of ['/', '/dashboard/app.js', '/v1/status']) {
    const { status } = await raw(path, { host: 'evil.example' })
    assert.ok([403, 421].includes(status), `${path}: ${status}`)
  }
  assert.equal((await raw('/', { origin: 'http://evil.example' })).status, 403)
  const { headers } = await raw('/', { host })
  assert.match(headers['content-security-policy'], /default-src 'none'/)
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test('a page that is locked again shows nothing of the node, and an odd address does no harm', async () => {
  const page = await browser.open(alice.url)
  await visit(page, 'node')
  await page.getByText(alice.peerId).first().waitFor()
  await page.getByRole('button', { name: 'Forget token' }).click()
  await page.getByRole('heading', { name: 'This node wants its token' }).waitFor()
  assert.ok(!(await page.content()).includes(alice.peerId))
  assert.equal(await page.evaluate(() => sessionStorage.length), 0)
  for (const hash of ['#/constructor', '#/__proto__/x', '#/peers/%', '#token=%', '#', '#/messages/trace/../../etc']) {
    const other = await browser.open(`${alice.url}`)
    await other.locator('.link .badge.good').waitFor()
    await other.evaluate((hash) => { location.hash = hash }, hash)
    // A token that is none is asked for again; everything else is a view.
    const wanted = hash.startsWith('#token') ? '.lock' : '#view .panel, #view .empty'
    await other.locator(wanted).first().waitFor()
    assert.deepEqual(other.complaints.filter((line) => !/status of 40[0-9]/.test(line)), [], hash)
    await other.context().close()
  }
  await page.context().close()
})

test('a failure is told with what to do next, and can be dismissed', async () => {
  const page = await browser.open(alice.url)
  await visit(page, 'peers')
  await page.getByRole('button', { name: 'Connect …' }).click()
  await page.getByLabel('Address').fill('not an address')
  await page.getByRole('dialog').getByRole('button', { name: 'Connect' }).click()
  const problem = page.getByRole('alert')
  await problem.waitFor()
  assert.match(await problem.innerText(), /not an address[^]*Next: /)
  await screenshot(page, 'problem')
  await page.getByRole('button', { name: 'Dismiss' }).click()
  await problem.waitFor({ state: 'detached' })
  await page.context().close()
})
