// Reads mails back with a real mail parser: what a mail program shows is what went in.
// node mail-read.mjs MAIL_SAMPLE: runs the helper (tests/support/mail-sample.c) and checks every mail it makes.
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'node:test';

const tests = join(dirname(fileURLToPath(import.meta.url)), '..');
const requireHere = createRequire(pathToFileURL(join(tests, 'package.json')));
try {
  requireHere.resolve('mailparser');
} catch {
  console.error('mail-read: packages are missing: npm ci --prefix tests');
  process.exit(77); // meson: skipped
}
const { simpleParser } = requireHere('mailparser');

const program = process.env.MAIL_SAMPLE ?? process.argv[2];
assert.ok(program, 'MAIL_SAMPLE (or the first argument) names the mail-sample program');
const folder = mkdtempSync(join(tmpdir(), 'closeloop-mail-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
execFileSync(program, [folder], { stdio: 'inherit' });
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));

// What a plain-text mail can carry of a text: no controls but tab and line end.
const shown = (s) => s.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').trimEnd();
// What a header can carry: one line.
const headerShown = (s) => s.replace(/[\s\u0000-\u0020\u007f-\u00a0\u2028-\u202e\u2066-\u2069\ufeff]+/g, ' ').trim();
const unescapeHtml = (s) =>
  s.replace(/&(amp|lt|gt|quot|#39);/g, (_, n) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[n]);

function checkWire(bytes) {
  let start = 0;
  for (let i = 0; i < bytes.length; i++) {
    assert.ok(bytes[i] < 0x80 && bytes[i] !== 0, `byte ${i} is not ASCII`);
    if (bytes[i] === 0x0d) assert.equal(bytes[i + 1], 0x0a, `bare CR at ${i}`);
    if (bytes[i] !== 0x0a) continue;
    assert.equal(bytes[i - 1], 0x0d, `bare LF at ${i}`);
    assert.ok(i - 1 - start <= 78, `a line of ${i - 1 - start} bytes`);
    assert.notEqual(bytes[start], 0x2e, 'a line begins with a dot');
    start = i + 1;
  }
  assert.equal(start, bytes.length, 'the last line ends');
}

function checkEncodedWords(raw) {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
  for (const word of head.match(/=\?[^\s]*\?=/g) ?? []) {
    assert.ok(word.length <= 75, word);
    const text = Buffer.from(word.split('?')[3], 'base64');
    new TextDecoder('utf-8', { fatal: true }).decode(text); // a split character would throw
  }
}

for (const want of expected) {
  test(want.name, async () => {
    const bytes = readFileSync(join(folder, `${want.name}.eml`));
    const raw = bytes.toString('latin1');
    checkWire(bytes);
    checkEncodedWords(raw);
    const mail = await simpleParser(bytes, { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true });

    assert.equal(mail.subject, headerShown(want.subject));
    assert.equal(mail.text.replace(/\n$/, ''), shown(want.text));
    assert.equal(mail.html.trimEnd(), want.html.trimEnd());
    assert.deepEqual(mail.attachments, []);
    assert.deepEqual([mail.cc, mail.bcc], [undefined, undefined]);
    assert.equal(mail.from.text, '"고객지원 Care" <care@example.com>');
    assert.equal(mail.to.value.length, 1);
    assert.equal(mail.to.value[0].address, want.to);
    if (want.to_name && Buffer.byteLength(want.to_name) < 4000)
      assert.equal(mail.to.value[0].name, headerShown(want.to_name));
    assert.equal(mail.date.toISOString(), '2027-03-02T01:38:12.000Z');
    assert.equal(mail.headers.get('auto-submitted'), 'auto-generated');
    assert.equal(mail.headers.get('x-auto-response-suppress'), 'All');
    assert.match(mail.messageId, /^<[0-9a-f-]{36}@example\.com>$/);
    if (want.case > 0) {
      assert.equal(mail.headers.get('x-closeloop-case'), `C-${want.case}`);
      assert.equal(mail.inReplyTo, `<case-${want.case}.default@example.com>`);
      assert.equal(mail.references, mail.inReplyTo);
    } else {
      assert.equal(mail.inReplyTo, undefined);
    }
    if (want.comment === null) return;
    const comment = shown(want.comment);
    assert.ok(mail.text.includes(comment), 'the comment stands in the text as it was written');
    // In HTML: line by line in the one quoted cell, escaped, up to the length that mail programs show.
    const cell = /unicode-bidi:isolate;">([\s\S]*?)<\/td>/.exec(mail.html)[1];
    const html = cell.split('<br>').slice(0, -1).map(unescapeHtml).join('\n');
    const plain = want.comment.trimEnd().replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '\ufffd');
    if (Buffer.byteLength(plain) <= 48 * 1024) assert.equal(html, plain);
    else assert.ok(html.length > 10000 && plain.startsWith(html));
    assert.ok(!/<(script|img|iframe|form|object|link|base)\b/i.test(mail.html), 'no element that we did not write');
    for (const [, href] of mail.html.matchAll(/href="([^"]*)"/g))
      assert.match(href, /^(tel:\+?\d+|mailto:[\w.+@-]+|https:\/\/feedback\.example\.com\/[ci]\/[\w.-]+)$/);
  });
}
