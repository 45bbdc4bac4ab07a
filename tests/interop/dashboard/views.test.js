// Every view shows what the node says, in two sizes and two schemes.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { assertClean, Browser, screenshot, visit } from './browser.js'
import { eventually, Node } from './node.js'

const SIZES = [[1280, 800], [390, 844]]

let alice, bob, carol, dave, browser

before(async () => {
  [alice, bob, carol, dave] = await Promise.all([Node.start('alice'), Node.start('bob', ['--accept-files', 'all']),
    Node.start('carol', [], '[rate.task]\nper_minute = 1\nburst = 1\n'), Node.start('dave', ['--dht', 'off'])])
  bob.agent('tr a-z A-Z')
  browser = await Browser.start()
  await alice.run('connect', bob.address)
  await alice.run('connect', carol.address)
  // Nobody knows an address of dave: bob carries what is said.
  await dave.run('connect', bob.address)
  dave.agent('cat')
  await alice.run('talk', `/ip4/127.0.0.1/tcp/1/p2p/${dave.peerId}`, 'over bob')
  await alice.run('talk', 'bob', 'what is it?')
  await alice.run('report', 'carol', 'tests pass', '--next-action', 'release')
  // More than carol takes at once.
  for (const status of ['linted', 'released', 'announced']) await alice.run('report', 'carol', status, '--wait', 'queued')
  await bob.run('report', 'alice', 'half done')
  await writeFile(join(alice.dir, 'notes.txt'), 'a file')
  await alice.feed('', 'send', 'bob', join(alice.dir, 'notes.txt'))
  await bob.run('register', 'translate', 'ocr')
})

after(async () => {
  await browser?.stop()
  await Promise.all([alice, bob, carol, dave].map((node) => node?.stop()))
})

/** What each view has to show, by what the command line says of the same node. */
const VIEWS = {
  mesh: async () => ['bob', 'carol', 'direct', 'dave', 'over 1 node', /\d (ms|µs)/],
  peers: async () => (await alice.run('peers')).flatMap(({ entity, fingerprint }) => [entity, fingerprint]),
  sessions: async () => (await alice.run('peers')).map(({ session }) => session.id.slice(0, 8)),
  'messages/outbox': async () => (await alice.run('outbox', '--all')).items.map(({ message_id: id }) => id.slice(0, 8)),
  'messages/inbox': async () => (await alice.run('inbox')).items.map(({ number }) => `n${number}`),
  'messages/send': async () => ['Sent from this page'],
  transfers: async () => (await alice.run('transfers', '--all')).flatMap(({ name, digest }) => [name, digest]),
  registry: async () => [(await alice.run('dht')).mode, (await alice.run('dht')).reason],
  limits: async () => ['asked to wait', 'asked to slow down peer=carol', 'Limits that were hit', 'Refused by the registry'],
  log: async () => ['Events', 'session ready', 'peer_node'],
  node: async () => {
    const { entity, fingerprint, peer_id: peer, listen } = await alice.run('status')
    return [entity, fingerprint, peer, ...listen]
  }
}

for (const [view, expected] of Object.entries(VIEWS)) {
  test(`${view} shows real data at every size`, async () => {
    const wanted = await expected()
    assert.ok(wanted.length > 0 && wanted.every(Boolean), JSON.stringify(wanted))
    for (const [width, height] of SIZES) {
      for (const scheme of ['light', 'dark']) {
        const page = await browser.open(alice.url, { width, height, scheme })
        await page.locator('.link .badge.good').waitFor()
        await visit(page, view)
        await eventually(15_000, async () => {
          // SVG has no innerText.
          const text = await page.evaluate(() => document.querySelector('main').innerText +
            [...document.querySelectorAll('main svg')].map(({ textContent }) => textContent).join(' '))
          for (const part of wanted) assert.ok(part instanceof RegExp ? part.test(text) : text.includes(part), `${view} at ${width}: no ${part} in ${text}`)
          return true
        })
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(overflow <= 0, `${view} at ${width} is ${overflow} px too wide`)
        await screenshot(page, `${view.replace('/', '-')}-${width}-${scheme}`)
        assertClean(assert, page)
        await page.context().close()
      }
    }
  })
}

test('nothing is too wide on the narrowest screen', async () => {
  const page = await browser.open(alice.url, { width: 360, height: 640 })
  await page.locator('.link .badge').first().waitFor()
  for (const view of [...Object.keys(VIEWS), `peers/${bob.peerId}`]) {
    await visit(page, view)
    await eventually(5000, async () => await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      .catch(() => assert.fail(`${view} is too wide`))
  }
  await page.context().close()
})

test('the registry finds by name and by ability', async () => {
  const page = await browser.open(alice.url)
  await visit(page, 'registry')
  await page.getByLabel('Entity').fill('bob')
  await page.getByRole('button', { name: 'Look up' }).click()
  await page.locator('[aria-label="Found"]', { hasText: bob.peerId }).waitFor({ timeout: 40_000 })
  await page.locator('#discover-capabilities').fill('ocr translate')
  await page.getByRole('button', { name: 'Discover' }).click()
  await page.locator('[aria-label="Discovered"]', { hasText: 'bob' }).waitFor({ timeout: 40_000 })
  await screenshot(page, 'registry-found')
  assertClean(assert, page)
  await page.context().close()
})

test('round trips and the agent of a peer are shown', async () => {
  const page = await browser.open(alice.url)
  await visit(page, `peers/${bob.peerId}`)
  await page.getByRole('button', { name: 'Measure' }).click()
  await page.locator('.facts', { hasText: /attached|responsive|alive/ }).waitFor()
  await visit(page, 'mesh')
  await page.locator('.mesh .trip', { hasText: /\d (ms|µs)/ }).first().waitFor()
  await page.context().close()
})

test('the colours follow the system until somebody chooses', async () => {
  const page = await browser.open(alice.url, { scheme: 'dark' })
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const dark = await background()
  await page.getByRole('button', { name: /Colours: as the system/ }).click()
  assert.notEqual(await background(), dark)
  await page.reload()
  assert.notEqual(await background(), dark, 'the choice is remembered')
  await page.getByRole('button', { name: /Colours: light/ }).click()
  assert.equal(await background(), dark)
  await page.context().close()
})
