// A Chromium to be driven from Python (chromium.py): one JSON request a line on stdin, one answer a line on stdout.
//
//   {"do": "open", "options": {…}}                               a browser context with one page; its number
//   {"do": "page", "on": 1, "method": "goto", "args": […]}       any method of playwright's Page
//   {"do": "press", "on": 1, "selector": "…", "method": "click"} any method of a Locator, which must be one element
//   {"do": "back", "on": 1}
//   {"do": "mouse" | "keyboard" | "context", "on": 1, "method": "…", "args": […]}
//   {"do": "axe", "on": 1}                                       what axe-core finds on the page
//   {"do": "validate", "on": 1, "html": "…"}                     what html-validate finds in it, or in the page as it is sent
//   {"do": "close", "on": 1}
//
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, '../package.json'));
const { chromium } = require('playwright-core');
const { HtmlValidate } = require('html-validate');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const PATIENCE_MS = Number(process.env.CLOSELOOP_PATIENCE_MS || 15000);
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'];
const markup = new HtmlValidate(JSON.parse(fs.readFileSync(path.join(here, '../browser/html-validate.json'), 'utf8')));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  // Its sandbox needs rights that a container and root don't have; it looks at our own pages only.
  chromiumSandbox: false,
  args: ['--host-resolver-rules=MAP webmail.example 127.0.0.1', '--force-color-profile=srgb'],
});
const contexts = new Map();
let last = 0;

async function open(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  contexts.set(++last, { context, page: await context.newPage() });
  return last;
}

// A page that is just taking the place of another can't be asked for its history yet: DevTools says so, and it is asked again.
async function back(page) {
  for (let tries = 0; ; tries++) {
    await page.waitForLoadState('load');
    await page.evaluate(() => document.readyState);
    try {
      return await page.goBack();
    } catch (error) {
      if (tries === 5 || !error.message.includes('Not attached to an active page')) throw error;
    }
  }
}

async function findings(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), TAGS);
  return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary}`));
}

async function validate(html) {
  const report = await markup.validateString(html, 'page.html');
  return report.results.flatMap((r) => r.messages.map((m) => `${m.line}:${m.column} ${m.ruleId}: ${m.message}`));
}

async function answer(request) {
  const { context, page } = contexts.get(request.on) || {};
  const args = request.args || [];
  switch (request.do) {
    case 'open': return open(request.options);
    case 'back': return back(page);
    case 'page': return page[request.method](...args);
    case 'press': return page.locator(request.selector)[request.method](...args);
    case 'mouse': case 'keyboard': return page[request.do][request.method](...args);
    case 'context': return context[request.method](...args);
    case 'axe': return findings(page);
    case 'validate': return validate(request.html ?? (await (await context.request.get(page.url())).text()));
    case 'close': contexts.delete(request.on); return context.close();
    default: throw new Error(`no such request: ${request.do}`);
  }
}

// What can be said in JSON: a picture as base64, an answer of a server as its status.
function plain(value) {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  return value && typeof value.status === 'function' ? value.status() : value ?? null;
}

console.log(JSON.stringify({ ok: browser.version() }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ ok: plain(await answer(JSON.parse(line))) }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
await browser.close();
