"""
Scales, from the answer to the mail: where 1 is the best answer, 1 opens no case, the worst does, and nobody is shown stars for it.

SPDX-License-Identifier: Apache-2.0
"""
import datetime


def configured(site):
    site.configure(scales='{ mark: { min = 1; max = 5; low_is = "good"; }; q1: { min = 1; max = 10; }; }',
                   facts='{ unhappy = "any rating <= 2"; }',
                   rules='{ low: { when = "unhappy"; route = "mail"; }; thanks: { kind = "note"; when = "all rating >= 4.5"; }; }')
    return site.start()


def test_the_worst_answer_opens_a_case_and_the_best_none(site):
    daemon = configured(site)
    best = site.respond(nps=None, customer_id="k1", ratings={"mark": 1, "q1": 10})
    good = site.respond(nps=None, customer_id="k2", ratings={"mark": 2, "q1": 8})
    bad = site.respond(nps=None, customer_id="k3", ratings={"mark": 5, "q1": 9, "delivery": 4})
    worse = site.respond(nps=None, customer_id="k4", ratings={"mark": 3, "q1": 2})
    cases = site.cases(2)
    site.settled()
    assert [c[5] for c in cases] == [bad, worse] and len(site.cases(2)) == 2
    noted = dict(site.q("SELECT response_id, relation::text FROM closeloop.case_responses WHERE case_id IS NULL"))
    # Lists name the worst answer, not the lowest number.
    assert "mark 5 " in site.run("case", "list") and "q1 2 " in site.run("case", "list")
    assert "mark 5 " in site.run("response", "list", "--since", "1d") and "mark 1 " in site.run("response", "list")
    assert best in noted and good not in noted
    mails = {m.message["Subject"]: m.message.get_body(("plain",)).get_content() for m in site.mails(2)}
    text = next(text for subject, text in mails.items() if f"C-{cases[0][0]}" in subject)
    assert "mark: 5/5 (1 is best)" in text and "★★★★★" not in text and "delivery ★★★★☆ 4/5" in text
    text = next(text for subject, text in mails.items() if f"C-{cases[1][0]}" in subject)
    assert "q1: 2/10" in text
    assert daemon.stop() == 0


def test_a_better_mark_wins_a_customer_back(site):
    daemon = configured(site)
    now = datetime.datetime.now(datetime.timezone.utc)
    site.respond(nps=None, customer_id="k7", ratings={"mark": 5}, responded_at=now - datetime.timedelta(days=9))
    case = site.cases(1)[0][0]
    site.settled()
    site.run("case", "resolve", f"C-{case}", "--note", "phoned")
    site.respond(nps=None, customer_id="k7", ratings={"mark": 1})
    site.settled()
    site.wait(lambda: site.one("SELECT outcome::text FROM closeloop.cases") == "recovered", "won back")
    assert len(site.cases(1)) == 1
    assert daemon.stop() == 0
