// By keyboard alone, and by what assistive technology sees (axe-core).

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'

import { Browser, visit } from './browser.js'
import { eventually, Node } from './node.js'

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const VIEWS = ['mesh', 'peers', 'sessions', 'messages/outbox', 'messages/inbox', 'messages/send', 'transfers', 'registry', 'limits', 'log', 'node']

let alice, bob, browser

before(async () => {
  [alice, bob] = await Promise.all([Node.start('alice'), Node.start('bob')])
  bob.agent('cat')
  browser = await Browser.start()
  await alice.run('connect', bob.address)
  await alice.run('talk', 'bob', 'hello')
  await bob.run('report', 'alice', 'half done')
})

after(async () => {
  await browser?.stop()
  await Promise.all([alice, bob].map((node) => node?.stop()))
})

async function violations (page) {
  const found = await page.evaluate(async () => (await window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  })).violations)
  return found.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`)
}

for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
  test(`no serious finding of axe at ${width}, ${scheme}`, async () => {
    const page = await browser.open(alice.url, { width, scheme, motion: 'reduce' })
    await page.locator('.link .badge.good').waitFor()
    await page.evaluate(AXE)
    for (const view of [...VIEWS, `peers/${bob.peerId}`]) {
      await visit(page, view)
      assert.deepEqual(await violations(page), [], view)
    }
    const { items: [{ number }] } = await alice.run('inbox')
    await visit(page, `messages/inbox/n${number}`)
    assert.deepEqual(await violations(page), [], 'a message')
    const { items: [{ message_id: id }] } = await alice.run('outbox', '--all')
    await visit(page, `messages/trace/${id}`)
    assert.deepEqual(await violations(page), [], 'a trace')
    await visit(page, 'peers')
    await page.getByRole('button', { name: 'Pin bob' }).first().click()
    assert.deepEqual(await violations(page), [], 'a dialog')
    await page.keyboard.press('Escape')
    await page.context().close()
  })
}

test('axe would find something', async () => {
  const page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
  await page.evaluate(AXE)
  await page.evaluate(() => document.querySelector('main').append(document.createElement('button')))
  assert.match((await violations(page)).join(), /button-name/)
  await page.context().close()
})

/** What has the focus: a description, and whether one can see that. */
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement
  const style = getComputedStyle(element)
  const circle = element.querySelector?.('circle')
  return {
    tag: element.tagName.toLowerCase(),
    name: element.getAttribute('aria-label') ?? element.textContent.trim(),
    href: element.getAttribute('href'),
    id: element.id,
    visible: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) ||
      (circle != null && parseFloat(getComputedStyle(circle).strokeWidth) >= 4)
  }
})

async function tabTo (page, wanted, most = 60) {
  const passed = []
  for (let step = 0; step < most; step++) {
    await page.keyboard.press('Tab')
    const now = await focused(page)
    passed.push(now.name)
    assert.ok(now.visible, `nobody sees that ${now.tag} ${now.name} has the focus`)
    if (wanted(now)) return now
  }
  assert.fail(`not reached by Tab: ${passed.join(' | ')}`)
}

test('a message is sent without a mouse', async () => {
  const page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
  // The first stop leads past the list of views.
  await tabTo(page, ({ name }) => name === 'Skip to content', 1)
  await page.keyboard.press('Enter')
  assert.equal((await focused(page)).id, 'main')

  await page.reload()
  await page.locator('.link .badge.good').waitFor()
  await tabTo(page, ({ href }) => href === '#/messages')
  await page.keyboard.press('Enter')
  await eventually(5000, async () => (await focused(page)).id === 'main')
  await tabTo(page, ({ href }) => href === '#/messages/send')
  await page.keyboard.press('Enter')
  await eventually(5000, async () => (await focused(page)).id === 'main')
  await tabTo(page, ({ id }) => id === 'send-to')
  await page.keyboard.type('bob')
  await page.keyboard.press('Escape')
  await tabTo(page, ({ tag, id }) => tag === 'input' && id === '')
  await page.keyboard.press('ArrowDown')
  await page.locator('#send-status').waitFor()
  await tabTo(page, ({ id }) => id === 'send-status')
  await page.keyboard.type('by keyboard')
  await tabTo(page, ({ name }) => name === 'Send')
  await page.keyboard.press('Enter')
  await page.locator('.sent .card[data-status="processed"]').waitFor()
  await page.context().close()
})

test('a dialog takes the focus, keeps it, and gives it back', async () => {
  const page = await browser.open(alice.url)
  await visit(page, 'peers')
  await tabTo(page, ({ name }) => name === 'Connect …')
  await page.keyboard.press('Enter')
  await eventually(5000, async () => (await focused(page)).id === 'connect-address')
  const inside = () => page.evaluate(() => document.activeElement === document.body || document.getElementById('dialog').contains(document.activeElement))
  for (let step = 0; step < 8; step++) {
    await page.keyboard.press('Tab')
    assert.ok(await inside(), 'the focus left the dialog')
  }
  await page.keyboard.press('Escape')
  await eventually(5000, async () => (await focused(page)).name === 'Connect …')
  await page.context().close()
})

test('every stop of every view can be seen, and none is a trap', async () => {
  const page = await browser.open(alice.url)
  await page.locator('.link .badge.good').waitFor()
  for (const view of VIEWS) {
    await visit(page, view)
    await page.evaluate(() => { document.activeElement.blur(); window.scrollTo(0, 0) })
    const wanted = await page.evaluate(() => [...document.querySelectorAll('main a[href], main button:not(:disabled), main input, main select, main textarea, main summary')]
      .filter((element) => element.getClientRects().length > 0 && !(element.type === 'radio' && !element.checked)).length)
    let stops = 0
    for (let step = 0; step < wanted + 40; step++) {
      await page.keyboard.press('Tab')
      const now = await focused(page)
      if (now.tag === 'body') break
      assert.ok(now.visible, `${view}: nobody sees that ${now.tag} ${now.name} has the focus`)
      if (await page.evaluate(() => document.activeElement.closest('main') && document.activeElement.id !== 'main' && document.activeElement.matches('a, button, input, select, textarea, summary'))) stops++
    }
    assert.ok(stops >= wanted, `${view}: ${stops} of ${wanted} can be reached`)
  }
  await page.context().close()
})

test('motion is left out for who does not want it', async () => {
  const page = await browser.open(alice.url, { motion: 'reduce' })
  await page.locator('.link .badge.good').waitFor()
  const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
    const style = getComputedStyle(element)
    return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none'
  }).length)
  assert.equal(moving, 0)
  await page.context().close()
})
