// Verifies webhook requests with the npm package `standardwebhooks`, as a receiver would.
// node verify-webhook.mjs KEY < requests.json: an array of {id, timestamp, signature, body}. Prints how many were good;
// exits 1 and says why when one was not.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const tests = join(dirname(fileURLToPath(import.meta.url)), '..');
const { Webhook } = createRequire(pathToFileURL(join(tests, 'package.json')))('standardwebhooks');

const receiver = new Webhook(process.argv[2]);
const requests = JSON.parse(readFileSync(0, 'utf8'));
for (const [i, r] of requests.entries()) {
  try {
    receiver.verify(r.body, {
      'webhook-id': r.id,
      'webhook-timestamp': r.timestamp,
      'webhook-signature': r.signature,
    });
  } catch (e) {
    console.error(`request ${i} (${r.id}): ${e.message}`);
    process.exit(1);
  }
}
console.log(requests.length);
