"""
What people do in ./quickstart: managers take cases on, ring up and solve them, customers answer once more, and somebody
asks for the mails that are held for them. The same steps the command or a page would take, and always in the same order.

SPDX-License-Identifier: Apache-2.0
"""
import time

import stream

EVERY = (0.15, 0.5)  # seconds between two steps, in a short stream and in a long one
PAUSE = 2.5  # what one step of a case takes
SOLVED_MOST = 8
OUTSIDE = ("tom-whitaker", "jonas-keller")  # on a roof, the telephone in the van: what is theirs is reminded and escalated
WORDS = {
    "en": ("Rang at once, apologised, agreed the next step.", "Done the same day, and the customer was rung again.",
           "You rang within a minute and it works. Thank you.", "You said it was solved. It is not."),
    "de": ("Gleich angerufen, um Entschuldigung gebeten, nächsten Schritt vereinbart.",
           "Am selben Tag erledigt und noch einmal angerufen.",
           "Nach einer Minute kam der Anruf, jetzt läuft sie. Danke!", "Es hieß, es sei gelöst. Ist es nicht."),
    "ko": ("바로 전화해 사과하고 다음 일정을 잡았습니다.", "당일 처리하고 다시 전화드렸습니다.",
           "일 분 만에 전화 주셨고 이제 잘 됩니다. 감사합니다.", "해결됐다더니 그대로입니다."),
}
SAME_CUSTOMER = ("customer_id customer_name customer_email customer_phone account account_name touchpoint region"
                 " language").split()

# Of each kind the one that is next, if any. An escalated case is taken on by whoever was told.
NEXT = f"""
WITH c AS (SELECT c.*, r.customer_name, r.customer_email, r.customer_phone, r.account, r.account_name, r.touchpoint, r.region, r.language,
      r.nps,
      (SELECT max(at) FROM closeloop.case_events AS e WHERE e.case_id = c.id)
         < clock_timestamp() - interval '{PAUSE} seconds' AS ripe,
      (SELECT m.recipient FROM closeloop.messages AS m WHERE m.case_id = c.id AND m.kind = 'case.escalated'
       AND m.channel = 'email' LIMIT 1) AS told
   FROM closeloop.cases AS c JOIN closeloop.responses AS r ON r.id = c.response_id
   WHERE c.status IN ('open', 'acknowledged', 'in_progress', 'resolved') AND r.customer_id IS NOT NULL AND r.nps IS NOT NULL),
takers AS (SELECT *, coalesce(told, owner) AS actor FROM c WHERE status = 'open' AND ripe
   AND (told IS NOT NULL OR owner <> ALL ('{{{",".join(OUTSIDE)}}}')))
SELECT json_build_object(
  'solved', (SELECT count(*) FROM c WHERE status IN ('in_progress', 'resolved')),
  'answer', (SELECT row_to_json(x) FROM (SELECT * FROM c WHERE status = 'resolved' AND ripe AND outcome IS NULL
             AND NOT EXISTS (SELECT FROM closeloop.responses AS r WHERE r.source = 'survey' AND r.source_id = 'again-' || c.id)
             ORDER BY id LIMIT 1) AS x),
  'resolve', (SELECT row_to_json(x) FROM (SELECT * FROM c WHERE status = 'in_progress' AND ripe ORDER BY id LIMIT 1) AS x),
  'contacted', (SELECT row_to_json(x) FROM (SELECT * FROM c WHERE status = 'acknowledged' AND ripe AND nps <= 5
                ORDER BY priority <> 'urgent', id LIMIT 1) AS x),
  'acknowledge', (SELECT row_to_json(x) FROM (SELECT * FROM takers ORDER BY priority <> 'urgent', id LIMIT 1) AS x))
"""
HELD = """
SELECT json_build_object('id', min(id::text), 'recipient', recipient) FROM closeloop.messages
WHERE state = 'held' AND payload = '' GROUP BY recipient ORDER BY count(*) DESC, recipient LIMIT 1
"""


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Nobody:
    """In somebody's own responses nobody acts."""

    def act(self):
        pass

    def done(self):
        return True


class People:
    """`act()` is called often, and now and then does one thing; `done()` when there was one of everything."""

    def __init__(self, session, closeloop, seconds):
        self.session, self.closeloop = session, closeloop
        self.every = min(EVERY[1], max(EVERY[0], seconds / 80))
        self.next = time.monotonic() + self.every
        self.ask = time.monotonic() + 0.7 * seconds  # when somebody wants to read what is held
        self.answers = 0

    def act(self):
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + self.every
        if self.ask and now > self.ask:
            self._ask_for_held()
        else:
            self._one_step(self.session.json(NEXT))

    def done(self):
        return self.answers > 0 and not self.ask

    def _one_step(self, cases):
        waiting = cases["acknowledge"]
        if waiting and waiting["priority"] == "urgent":
            self._transition(waiting, "acknowledge")
        elif cases["answer"]:
            self._answer(cases["answer"])
        elif cases["resolve"]:
            case = cases["resolve"]
            self._transition(case, "resolve", self._words(case)[1], '{"cause": "communication"}')
        elif cases["contacted"] and cases["solved"] < SOLVED_MOST:
            case = cases["contacted"]
            self._transition(case, "contacted", self._words(case)[0], '{"how": "phone", "reached": true}')
        elif waiting:
            self._transition(waiting, "acknowledge")

    def _words(self, case):
        return WORDS.get(case["language"], WORDS["en"])

    def _transition(self, case, action, note=None, details="{}"):
        actor = case.get("actor") or case["owner"]
        self.session.run(f"SELECT FROM closeloop.case_transition({case['id']}, '{action}', {quoted(actor)},"
                         f" {quoted(note) if note else 'NULL'}, {quoted(details)})")

    def _answer(self, case):
        """The customer is asked once more: three are happy now, the fourth is not."""
        self.answers += 1
        happy = self.answers % 4 != 0
        row = {column: case[column] for column in SAME_CUSTOMER}
        row.update(source="survey", source_id=f"again-{case['id']}", survey="after-contact", nps=9 if happy else 1,
                   comment=self._words(case)[2 if happy else 3])
        stream.insert(self.session, [row])

    def _ask_for_held(self):
        held = self.session.json(HELD)
        self.ask = None
        if held:
            self.closeloop("--as", held["recipient"], "message", "retry", held["id"])
