// What happens is seen while it happens: a handshake, receipts, a transfer, a node that goes away.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { assertClean, Browser, screenshot, visit } from './browser.js'
import { eventually, Node } from './node.js'

// Long enough for the page to be seen drawing it half done.
const FILE = 128 << 20

let alice, bob, carol, browser, page

before(async () => {
  [alice, bob, carol] = await Promise.all([Node.start('alice'), Node.start('bob', ['--accept-files', 'all']), Node.start('carol')])
  bob.agent('tr a-z A-Z')
  browser = await Browser.start()
  page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
})

after(async () => {
  await browser?.stop()
  await Promise.all([alice, bob, carol].map((node) => node?.stop()))
})

/** For tests that are run alone. */
const acquainted = () => alice.run('connect', bob.address)

test('the token leaves the address bar, and stays in this tab', async () => {
  assert.ok(!page.url().includes('token'), page.url())
  const [stored, local] = await page.evaluate(() => [sessionStorage.getItem('peer-token'), JSON.stringify(localStorage)])
  assert.ok(alice.url.endsWith(`#token=${stored}`))
  assert.ok(!local.includes(stored))
})

test('a session is watched through its states to READY', async () => {
  await visit(page, 'sessions')
  assert.match(await page.locator('#view').innerText(), /No session yet/)
  await page.getByRole('button', { name: 'Connect …' }).click()
  await page.getByLabel('Address').fill(bob.address)
  await page.getByRole('dialog').getByRole('button', { name: 'Connect' }).click()
  const strip = page.locator(`[data-peer="${bob.peerId}"] .strip`)
  await strip.locator('li[data-state="READY"].good').waitFor()
  const cells = await strip.locator('li').evaluateAll((all) => all.map(({ dataset }) => [dataset.state, dataset.seen === 'true']))
  assert.deepEqual(cells.map(([state]) => state), ['INITIAL', 'HANDSHAKE_INIT_SENT', 'HANDSHAKE_ACK_RECEIVED',
    'CHALLENGE_SENT', 'SESSION_ESTABLISHED', 'SESSION_CONFIRMED', 'READY', 'ERROR', 'EXPIRED'])
  // Seen means that the event came while the page was open, not that it follows from READY.
  assert.deepEqual(cells.map(([, seen]) => seen), [true, true, true, true, true, true, true, false, false])
  await screenshot(page, 'live-session')
  const status = (await alice.run('peers')).find(({ peer_id: id }) => id === bob.peerId)
  await page.locator(`[data-peer="${bob.peerId}"] .badge`, { hasText: status.session.suite }).waitFor()
})

test('a report sent from the page arrives, and its receipt appears', async () => {
  await acquainted()
  await visit(page, 'messages/send')
  await page.getByLabel('To', { exact: true }).fill('bob')
  await page.getByLabel('Report').check()
  await page.getByLabel('Status').fill('tests pass')
  await page.getByLabel('Next action').fill('release')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  const card = page.locator('.sent .card').first()
  await page.locator('.sent .card[data-status="processed"]').first().waitFor()
  assert.match(await card.innerText(), /tests pass · release/)
  await card.getByRole('link', { name: 'Trace' }).click()
  await page.locator('[data-step="became"] .badge', { hasText: 'processed' }).waitFor()
  const steps = await page.locator('.timeline li').evaluateAll((all) => all.map(({ dataset }) => dataset.step))
  assert.equal(steps[0], 'accepted')
  const id = page.url().split('/').at(-1)
  assert.equal((await alice.run('trace', id)).status, 'processed')
  await screenshot(page, 'live-trace')
})

test('a question sent from the page is answered', async () => {
  await acquainted()
  await visit(page, 'messages/send')
  await page.getByLabel('Talk').check()
  await page.getByLabel('To', { exact: true }).fill('bob')
  await page.getByLabel('Text', { exact: true }).fill('hello from the page')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.locator('.sent pre', { hasText: 'HELLO FROM THE PAGE' }).waitFor()
})

test('a message that is stuck says why; it can be retried and cancelled', async () => {
  await alice.run('connect', carol.address)
  await carol.kill()
  await visit(page, 'messages/send')
  await page.getByLabel('Report').check()
  await page.getByLabel('To', { exact: true }).fill('carol')
  await page.getByLabel('Status').fill('are you there')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.locator('.sent .card', { hasText: 'are you there' }).getByRole('link', { name: 'Trace' }).waitFor()
  await visit(page, 'messages/outbox')
  const row = page.locator('tbody tr', { hasText: 'carol' })
  await eventually(20_000, async () => /no connection/.test(await row.innerText()))
  await row.getByRole('button', { name: /Retry/ }).click()
  await page.locator('#announce', { hasText: 'Trying again now' }).waitFor()
  await screenshot(page, 'live-stuck')
  // Whether it had been handed over already when carol went is not for the page to know.
  await row.getByRole('button', { name: /Cancel/ }).click()
  await eventually(10_000, async () => /cancelled|unknown/.test(await row.innerText()))
})

test('a file goes out with its progress', async () => {
  await acquainted()
  const path = join(alice.dir, 'big.bin')
  await writeFile(path, randomBytes(FILE))
  await visit(page, 'transfers')
  await page.evaluate(() => {
    window.progress = []
    new MutationObserver(() => {
      const bar = document.querySelector('.transfer progress')
      if (bar) window.progress.push([Number(bar.value), document.querySelector('.transfer .numbers').textContent])
    }).observe(document.getElementById('view'), { subtree: true, childList: true, attributes: true, characterData: true })
  })
  await page.locator('#file-to').fill('bob')
  await page.locator('#file-path').fill(path)
  await page.getByRole('button', { name: 'Send file' }).click()
  await page.waitForFunction((size) => window.progress.some(([done]) => done > 0 && done < size), FILE, { timeout: 30_000 })
  await screenshot(page, 'live-transfer')
  await page.locator('.transfer[data-state="complete"]').waitFor({ timeout: 90_000 })
  const seen = await page.evaluate(() => window.progress)
  assert.ok(seen.some(([, text]) => /\/s/.test(text)), 'a rate was shown')
  const [{ digest }] = await bob.run('transfers', '--all')
  assert.match(await page.locator('.transfer').innerText(), new RegExp(digest))
})

test('a transfer can be cancelled', async () => {
  const path = join(alice.dir, 'other.bin')
  await writeFile(path, 'a file')
  // Who is away gets none of it before it is cancelled.
  await page.locator('#file-to').fill('carol')
  await page.locator('#file-path').fill(path)
  await page.getByRole('button', { name: 'Send file' }).click()
  await page.locator('.transfer', { hasText: 'other.bin' }).getByRole('button', { name: /Cancel/ }).click()
  await page.locator('.transfer[data-state="cancelled"]', { hasText: 'other.bin' }).waitFor()
})

test('what comes in is read, acknowledged and answered', async () => {
  await acquainted()
  await bob.run('report', 'alice', 'half done')
  const asked = bob.run('talk', 'alice', 'what comes next?', '--timeout', '60s')
  await visit(page, 'messages/inbox')
  const report = page.locator('tbody tr', { hasText: 'report' })
  await report.getByRole('button', { name: /Open/ }).click()
  await page.getByText('half done').waitFor()
  assert.equal((await alice.run('inbox')).items.length, 2, 'reading takes nothing off')
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.locator('tbody tr', { hasText: 'task' }).getByRole('button', { name: /Open/ }).click()
  await page.getByText('what comes next?').waitFor()
  await page.getByLabel('Text').fill('the documentation')
  await page.getByRole('button', { name: 'Answer: done' }).click()
  assert.equal((await asked).content.text, 'the documentation')
  await page.getByText('Nothing waits.').waitFor()
})

test('a key is pinned and revoked only after the fingerprints were shown', async () => {
  await acquainted()
  await visit(page, 'peers')
  const row = page.locator('[aria-label="Peers"] tbody tr', { hasText: 'bob' })
  const { fingerprint } = (await alice.run('peers')).find(({ peer_id: id }) => id === bob.peerId)
  await row.getByRole('button', { name: 'Pin bob' }).click()
  const dialog = page.getByRole('dialog')
  assert.match(await dialog.innerText(), new RegExp(fingerprint))
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  assert.equal((await alice.run('trust', 'list')).find(({ entity }) => entity === 'bob').level, 'seen')
  await row.getByRole('button', { name: 'Pin bob' }).click()
  await dialog.getByRole('button', { name: 'They are the same: pin' }).click()
  await row.locator('.badge', { hasText: 'pinned' }).waitFor()
  assert.equal((await alice.run('trust', 'list')).find(({ entity }) => entity === 'bob').level, 'pinned')
  await row.getByRole('button', { name: 'Revoke bob' }).click()
  await dialog.getByRole('button', { name: 'Revoke' }).click()
  await page.locator('[aria-label="Trust list"] .badge', { hasText: 'revoked' }).waitFor()
})

test('a handshake that is refused ends in ERROR, and says why', async () => {
  await visit(page, 'sessions')
  // Its key was revoked.
  await bob.feed('', 'report', 'alice', 'let me in', '--timeout', '3s')
  const card = page.locator(`[data-peer="${bob.peerId}"]`)
  await card.locator('li[data-state="ERROR"].bad[data-seen="true"]').waitFor()
  assert.match(await card.locator('.why').innerText(), /revoked|trust/i)
  await screenshot(page, 'live-refused')
})

test('a node that goes away and comes back is followed without a reload', async () => {
  assertClean(assert, page)
  const complaints = page.complaints.length
  await visit(page, 'mesh')
  await alice.kill()
  await page.locator('.link .badge.bad').waitFor({ timeout: 20_000 })
  await screenshot(page, 'live-away')
  await alice.again()
  await page.locator('.link .badge.good').waitFor({ timeout: 30_000 })
  await page.locator('.brand', { hasText: 'alice' }).waitFor()
  const { uptime_ms: uptime } = await alice.run('status')
  await eventually(5000, async () => {
    const shown = await page.locator('.tiles li', { hasText: 'up' }).last().innerText()
    assert.match(shown, /^\d+ (ms|s)/, `the node is up for ${uptime} ms, and the page says ${shown}`)
    return true
  })
  // That nobody answers is told by the browser, too; nothing else may be.
  const others = page.complaints.slice(complaints).filter((line) => !/net::ERR_/.test(line))
  assert.deepEqual(others, [])
})
