"""
Customers' words can't do anything: they come out of mail, JSON and terminal as they went in, or safely escaped.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import subprocess
import unicodedata

import pytest

from company import verify

TESTS = pathlib.Path(__file__).resolve().parents[1]
READER = """
import { simpleParser } from 'mailparser';
let text = Buffer.alloc(0);
process.stdin.on('data', d => { text = Buffer.concat([text, d]); }).on('end', async () => {
  const mails = JSON.parse(text), out = [];
  for (const mail of mails) {
    const m = await simpleParser(Buffer.from(mail, 'base64'));
    out.push({ subject: m.subject, to: m.to.text, text: m.text, html: m.html,
               headers: m.headerLines.map(h => h.key), attachments: m.attachments.length });
  }
  console.log(JSON.stringify(out));
});
"""

COMMENTS = {
    "header injection": "late\r\nBcc: thief@elsewhere.example\r\n\r\nhello",
    "bare lf": "late\nBcc: thief@elsewhere.example",
    "smuggling": "end\n.\nMAIL FROM:<a@elsewhere.example>\nRCPT TO:<b@elsewhere.example>\nDATA\nSubject: x\n\nx\n.\n",
    "smuggling crlf": "end\r\n.\r\nMAIL FROM:<a@elsewhere.example>\r\n",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)> & \"quotes\" 'single' </div>",
    "template": "{{secret}} {{{raw}}} {{#rules}}x{{/rules}} %s %n ${HOME} `id`",
    "planes": "".join(chr(p * 0x10000 + 0x100) for p in range(17)) + " 𝕏 👩‍👩‍👧 \u0800 \ufffd",
    "decomposed": unicodedata.normalize("NFD", "설치가 너무 늦었습니다"),
    "rtl": "price \u202e00.1\u202c is \u2066wrong\u2069 مرحبا",
    "controls": "bell \x07 escape \x1b[31mred\x1b[0m \x9b31m tab\there \x7f",
    "long line": "x" * 5000,
    "separators": "one\u2028two\u2029three\x85four",
    "equals": "=?utf-8?b?PGI+?= =3D=0A =\n=",
}


def read_mails(mails):
    import base64
    text = json.dumps([base64.b64encode(m.raw).decode() for m in mails])
    done = subprocess.run(["node", "--input-type=module", "-e", READER], cwd=TESTS, input=text, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def visible(text):
    """What is left of a text for a comparison: no control and direction marks, one space for any space."""
    text = "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cn")
                   or c in "\n\t\r")
    return re.sub(r"\s+", "", text).replace("\ufffd", "")


@pytest.mark.skipif(not (TESTS / "node_modules/mailparser").is_dir(), reason="npm ci was not run in tests/")
def test_mails_carry_the_words_and_nothing_else(site):
    site.daemon()
    for name, comment in COMMENTS.items():
        site.respond(comment=comment, customer_id=name, customer_name=comment[:200], account="hanbit", account_name=comment[:200],
                     customer_email="x@y.example\r\nBcc: thief@elsewhere.example", touchpoint=comment[:50], nps=1)
    mails = site.mails(len(COMMENTS))
    site.settled()
    assert {m.recipient for m in site.mailbox.mails} == {"minsu@halden.example"}
    assert len(site.mailbox.mails) == len(COMMENTS), "a comment became a mail"
    case_of = dict(site.q("SELECT c.id, r.customer_id FROM closeloop.cases c JOIN closeloop.responses r ON r.id = c.response_id"))
    read = read_mails(mails)
    assert {k for m in read for k in m["headers"]} == set(read[0]["headers"]) and "bcc" not in read[0]["headers"]
    for mail in read:
        case = int(re.search(r"C-(\d+)", mail["subject"]).group(1))
        comment = COMMENTS[case_of[case]]
        assert mail["attachments"] == 0 and mail["to"].endswith("minsu@halden.example>") or mail["to"] == "minsu@halden.example"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", mail["subject"])
        assert "<script" not in mail["html"] and "<img src=x" not in mail["html"]
        start = visible(comment)[:200]
        assert start in visible(mail["text"]), (case_of[case], mail["text"][:500])


def test_webhooks_carry_the_exact_words(site):
    site.daemon()
    for name, comment in COMMENTS.items():
        site.respond(comment=comment, customer_id=name, account="hanbit")
    site.requests(len(COMMENTS))
    site.settled()
    seen = {r["customer_id"]: r["comment"] for r in (verify(q)["data"]["response"] for q in site.hook.requests)}
    assert seen == COMMENTS


def test_the_terminal_sees_no_control_and_no_bidi_characters(site):
    site.daemon()
    for name, comment in COMMENTS.items():
        site.respond(comment=comment, customer_id=name, customer_name=comment[:200], account=comment[:200])
    cases = site.cases(len(COMMENTS))
    site.settled()
    outputs = [site.run("case", "list"), site.run("response", "list")]
    outputs += [site.run("case", "show", f"C-{c[0]}") for c in cases]
    for output in outputs:
        bad = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", output)
        assert not bad, repr(output[max(0, bad.start() - 60):bad.end() + 20])
    shown = json.loads(site.run("--json", "case", "show", f"C-{cases[0][0]}"))
    assert shown["id"] == cases[0][0]


def test_a_megabyte_of_words_breaks_nothing(site):
    site.daemon()
    site.respond(comment="긴 글 " * 100_000, account="hanbit")
    site.respond(comment="short", customer_id="k2", account="hanbit")
    mails = site.mails(2, seconds=40)
    site.settled()
    # Mail servers commonly take 10 MB; base64 and two parts make it longer than it was.
    assert all(len(m.raw) < 8_000_000 for m in mails)
    assert any("긴 글 긴 글" in m.message.get_body(("plain",)).get_content() for m in mails)
