"""
A real Chromium, driven through playwright-core (chromium.mjs): what a person sees of the pages, and what they press.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import servers

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("playwright-core", "axe-core", "html-validate")
VIEWS = {"phone": {"viewport": {"width": 360, "height": 740}, "isMobile": True, "hasTouch": True},
         "desktop": {"viewport": {"width": 1280, "height": 800}}}
addresses = itertools.count(1)

# What can be pressed must be 44 px high and wide around its middle: itself, what belongs to it, or its label.
SMALL = """() => {
  const small = [];
  for (const e of document.querySelectorAll('a[href], button, summary, select, textarea, input:not([type=hidden])')) {
    if (e.classList.contains('skip') || !e.checkVisibility()) continue;
    const target = e.closest('label') || e;
    target.scrollIntoView({ block: 'center' });
    const b = target.getBoundingClientRect(), x = b.left + b.width / 2, y = b.top + b.height / 2;
    const hits = (x, y) => {
      const at = document.elementFromPoint(x, y);
      return at && target.contains(at);
    };
    if (b.width >= 44 && b.height >= 44 || [[x, y - 21], [x, y + 21], [x - 21, y], [x + 21, y]].every((at) => hits(...at))) continue;
    small.push(`${e.outerHTML.slice(0, 120)}: ${b.width} x ${b.height}`);
  }
  window.scrollTo(0, 0);
  return small;
}"""
# What sticks out to the right, when something does.
WIDE = """() => {
  const most = document.documentElement.clientWidth;
  const within = [...document.querySelectorAll('.scroll')].filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth)
    .map((e) => `${e.getAttribute('aria-label')}: ${e.scrollWidth} of ${e.clientWidth}`);
  if (within.length) return within;
  const cut = [...document.querySelectorAll('svg text')].filter((e) => {
    const b = e.getBoundingClientRect(), of = e.closest('svg').getBoundingClientRect();
    return e.checkVisibility() && (b.left < of.left - 1 || b.right > of.right + 1);
  });
  if (cut.length) return cut.map((e) => `${e.textContent}: cut off`);
  if (document.documentElement.scrollWidth <= most) return [];
  return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > most + 1
    && !e.closest('.scroll')).map((e) => `${e.outerHTML.slice(0, 120)}: to ${e.getBoundingClientRect().right} of ${most}`)
    .concat(`the page: ${document.documentElement.scrollWidth} of ${most}`);
}"""


def missing():
    """Why there can be no Chromium here, in a sentence; None when all is there."""
    if not program():
        return "there is no Chromium: install the Debian package chromium (tests/support/install-packages test)"
    if not shutil.which("node"):
        return "there is no Node: tests/support/install-packages node"
    lacking = [p for p in PACKAGES if not (HERE.parent / "node_modules" / p).is_dir()]
    return f"tests/node_modules lacks {', '.join(lacking)}: npm ci --prefix tests --ignore-scripts" if lacking else None


def program():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Refused(AssertionError):
    """What was asked for can't be done on this page."""


class Chromium:
    def __init__(self, patience=1):
        environment = {**os.environ, "CLOSELOOP_PATIENCE_MS": str(15000 * patience)}
        self.process = subprocess.Popen(["node", str(HERE / "chromium.mjs"), program()], stdin=subprocess.PIPE, text=True,
                                        encoding="utf-8", stdout=subprocess.PIPE, env=environment,
                                        preexec_fn=servers.die_with_parent(signal.SIGTERM))
        self.version = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Chromium ended with {self.process.wait(10)}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["ok"]

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def open(self, view="phone", script=True, dark=False, **options):
        """A browser of its own: no cookies, and an address that nobody else has."""
        number = next(addresses)
        return Tab(self, self.ask(do="open", options={
            **VIEWS[view], "javaScriptEnabled": script, "colorScheme": "dark" if dark else "light", "bypassCSP": script,
            "timezoneId": "Asia/Seoul", "extraHTTPHeaders": {"X-Forwarded-For": f"198.51.{number >> 8}.{number & 255}"}, **options}))

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            print("chromium.py: Chromium did not end by itself", file=sys.stderr)
            self.process.terminate()
            self.process.wait(15)


class Tab:
    """One page in a browser of its own. A selector is playwright's: CSS, or role=button[name="…"]."""

    def __init__(self, chromium, number):
        self.chromium, self.number = chromium, number

    def _ask(self, do, method, *args, **more):
        return self.chromium.ask(do=do, on=self.number, method=method, args=list(args), **more)

    def go(self, url):
        """Opens an address; the status of its answer."""
        return self._ask("page", "goto", url)

    def idle(self):
        """Whatever was asked for has come."""
        self._ask("page", "waitForLoadState", "networkidle")

    def back(self):
        self.chromium.ask(do="back", on=self.number)

    def reload(self):
        return self._ask("page", "reload")

    def url(self):
        return self._ask("page", "url")

    def source(self):
        return self._ask("page", "content")

    def evaluate(self, function):
        return self._ask("page", "evaluate", f"({function})()")

    def one(self, selector, method, *args):
        return self._ask("press", method, *args, selector=selector)

    def click(self, selector, *args):
        """Whatever page it leads to has come as a whole."""
        self.one(selector, "click", *args)
        self._ask("page", "waitForLoadState", "load")

    def fill(self, selector, text):
        self.one(selector, "fill", text)

    def text(self, selector="main"):
        return self.one(selector, "innerText")

    def unfold(self):
        """Opens whatever is folded."""
        self.evaluate("() => document.querySelectorAll('details').forEach((d) => { d.open = true; })")

    def count(self, selector):
        return self.one(selector, "count")

    def key(self, *keys):
        for key in keys:
            self._ask("keyboard", "press", key)

    def type(self, text):
        self._ask("keyboard", "insertText", text)

    def tap(self, x, y):
        self._ask("mouse", "click", x, y)

    def cookies(self):
        return self._ask("context", "cookies")

    def sign_in(self, base, token):
        """As the link of a mail would have."""
        self._ask("context", "addCookies", [{"name": "closeloop", "value": token, "url": base, "httpOnly": True, "sameSite": "Lax"}])

    def sign_out(self):
        self._ask("context", "clearCookies")

    def scheme(self, name):
        self._ask("page", "emulateMedia", {"colorScheme": name})

    def picture(self, path, **options):
        pathlib.Path(path).write_bytes(base64.b64decode(self._ask("page", "screenshot", {"fullPage": True, **options})))

    def accessible(self):
        return self.chromium.ask(do="axe", on=self.number)

    def valid(self, html=None):
        """What is wrong with the markup of the page as the server sends it, or with another one."""
        return self.chromium.ask(do="validate", on=self.number, html=html)

    def fits(self):
        """Nothing is to be scrolled sideways, and a thumb hits whatever can be pressed; what breaks that."""
        return self.wide() + self.evaluate(SMALL)

    def wide(self):
        return self.evaluate(WIDE)

    def close(self):
        self.chromium.ask(do="close", on=self.number)
