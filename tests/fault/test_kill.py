"""
The daemon is killed, and killed, and frozen. It holds no state: what it had leased comes back when the lease has run out.

SPDX-License-Identifier: Apache-2.0
"""
import random
import signal
import time

from stream import Stream

RESUME_S = 35  # a lease of 30 s and what it takes to notice
RESUME_BUSY_S = 55  # the same on a machine that stalls; two leases would be 60


def kill_rounds(site, configurations, rounds, rng, progress, expire=False):
    """
    Kills one of the daemons at a random point of its life, start-up included, and starts it again; so many times. expire: what it
    had leased is free at once, so that nobody waits for the last one's leases.
    """
    daemons = [site.start(configuration=c) for c in configurations]
    stream = Stream(site).start()
    for done in range(rounds):
        progress(done, rounds)
        time.sleep(rng.choice((rng.uniform(0.0, 0.15), rng.uniform(0.1, 1.0))))
        i = rng.randrange(len(daemons))
        daemons[i].kill()
        site.excuse(daemons[i].leased())
        if expire:
            site.expire_leases(daemons[i])
        daemons[i] = site.start(wait=False, configuration=configurations[i])
    stream.stop()
    return daemons, stream


def resumed(site, daemons):
    """Seconds from the last kill until everything that was there at that moment was judged and sent."""
    started = time.monotonic()
    for daemon in daemons:
        daemon.wait_ready()
    site.settled()
    return time.monotonic() - started


def judge(site, figure, daemons, stream, rounds, within_s):
    seconds = resumed(site, daemons)
    assert seconds <= within_s
    slowest = site.one("SELECT extract(epoch FROM max(sent_at - queued_at))::float8 FROM closeloop.messages")
    innocent = site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL")
    assert innocent == 0
    site.check()
    figure(f"{rounds} kills, {len(site.committed)} responses, {stream.written} written; drained {seconds:.1f} s after the last"
           f" kill; slowest message {slowest:.1f} s; {site.copies} copies, {site.excuses} leased at the kills")


def test_killed_again_and_again(strict_site, size, figure, progress):
    rounds = size(15, 200)
    strict_site.mailbox.delay = 0.01
    daemons, stream = kill_rounds(strict_site, [strict_site.configuration], rounds, random.Random(11), progress)
    judge(strict_site, figure, daemons, stream, rounds, size(RESUME_BUSY_S, RESUME_S))


def test_two_daemons_killed_in_turn(strict_site, size, figure, progress):
    rounds = size(15, 200)
    strict_site.mailbox.delay = 0.01
    configurations = [strict_site.configuration, strict_site.second_configuration()]
    daemons, stream = kill_rounds(strict_site, configurations, rounds, random.Random(12), progress, expire=size(True, False))
    judge(strict_site, figure, daemons, stream, rounds, size(RESUME_BUSY_S, RESUME_S))


def outcomes(site):
    return [row[0] for row in site.q("SELECT outcome FROM closeloop.attempts a JOIN closeloop.messages m ON m.id = a.message_id"
                                     " WHERE m.channel = 'webhook' ORDER BY a.id")]


def frozen_worker(site, its_answer):
    """
    One daemon is frozen while its webhook waits for the answer `its_answer`; its lease runs out, another daemon takes the
    message, and the answer to that one is late. The first wakes up meanwhile and reports.
    """
    site.hook.replies = [(its_answer, {}, 5.0), (204, {}, 10.0)]
    first = site.start()
    site.respond(account="hanbit")
    site.requests(1)
    site.mails(1)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'sent'") == 1, "the mail settled")
    first.process.send_signal(signal.SIGSTOP)
    try:
        site.start(configuration=site.second_configuration())
        # Again and again: a claim that the first one sent before it froze may be executed after that.
        site.wait(lambda: site.expire_leases(first) or len(site.hook.requests) == 2, "the second request")
    finally:
        first.process.send_signal(signal.SIGCONT)
    site.excuse(1)


def test_a_late_success_is_kept(strict_site):
    """I5: the message is sent as soon as the first worker says so, though its lease is gone."""
    site = strict_site
    frozen_worker(site, 204)
    site.wait(lambda: site.one("SELECT state = 'sent' FROM closeloop.messages WHERE channel = 'webhook'"), "the late success")
    assert len(site.hook.requests) == 2
    site.settled()
    time.sleep(0.5)  # the second worker's success comes when the message is final: dropped
    assert outcomes(site) == ["sent"]


def test_a_late_failure_is_dropped(strict_site):
    """I5: the second worker holds the message; the first one's 503 must neither postpone nor free it."""
    site = strict_site
    frozen_worker(site, 503)
    site.wait(lambda: site.one("SELECT state = 'sent' FROM closeloop.messages WHERE channel = 'webhook'"), "the second's success")
    site.settled()
    assert outcomes(site) == ["sent"]
    assert len(site.hook.requests) == 2


def test_what_is_under_way_is_not_sent_twice(strict_site):
    """A lease that ran out while its own daemon was still at it (the database was away) is taken anew, without a second copy."""
    site = strict_site
    site.mailbox.delay = 8
    site.start()
    site.respond(account="hanbit")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'leased'"), "under way")
    time.sleep(0.5)
    site.expire_leases()
    site.respond(customer_id="wakes the daemon", account="elbhof")
    site.hurried(lambda: site.one("SELECT max(fence) FROM closeloop.messages WHERE channel = 'email'") == 2, "leased anew")
    site.settled()
    assert len(site.mailbox.mails) == 2


def test_kills_are_no_tries(strict_site):
    """Its daemon is killed under a message again and again: the first refusal after that is its first try, not its last."""
    site, kills = strict_site, 14
    site.hook.replies = [(204, {}, 60)] * kills + [(503, {}, 0)]
    site.mailbox.delay = 0.01
    site.respond(account="hanbit")
    for i in range(kills):
        daemon = site.start()
        site.requests(i + 1)
        daemon.kill()
        site.expire_leases()
    site.excuse(kills)
    site.start()
    site.wait(lambda: outcomes(site) == ["retry"], "the refusal")
    assert site.one("SELECT state::text FROM closeloop.messages WHERE channel = 'webhook'") == "queued"
    site.q("UPDATE closeloop.messages SET next_at = clock_timestamp() WHERE state = 'queued'")
    site.settled()
    assert outcomes(site) == ["retry", "sent"]
