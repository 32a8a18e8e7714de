"""
I7 over time: steady load of every kind, and the daemon's memory and descriptors stay where they were.

45 seconds, or ten minutes in the long form; CLOSELOOP_SOAK_MINUTES says otherwise. First it is warmed up, by reloads (the old
configuration and the new one lie beside each other for a moment, until the allocator has room for both: 10 MB, most of it after a
hundred of them, all after six hundred) and a third of the time under load. Over the rest a straight line is fitted to what is resident; what it grows by is judged, not single samples.

SPDX-License-Identifier: Apache-2.0
"""
import os
import time

from stream import Stream

GROWTH_KIB_MAX = 1024  # along the fitted line, over the time judged
RELOADS_TO_WARM_UP = (100, 600)
DESCRIPTORS_MAX = 4    # between the fewest and the most: connections of mail and webhooks come and go


def slope(samples):
    """Of the line with the least squares through (x, y), per unit of x."""
    n = len(samples)
    mean_x, mean_y = (sum(s[i] for s in samples) / n for i in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread


def reload(site, daemon):
    before = len(daemon.log)
    daemon.hang_up()
    site.wait(lambda: len(daemon.log) > before, "a word about the reload")


def disturb(site, daemon, beat):
    """What people and monitoring do meanwhile."""
    assert daemon.get("/metrics")[0] == 200
    assert daemon.get("/livez")[0] == 200
    if beat % 5 == 0:
        reload(site, daemon)
    if beat % 7 == 0:
        site.run("status")


def test_memory_and_descriptors_stay_flat(strict_site, size, figure, progress):
    site = strict_site
    seconds = float(os.environ.get("CLOSELOOP_SOAK_MINUTES") or size(0.75, 10)) * 60
    daemon = site.warm(site.daemon())
    for _ in range(size(*RELOADS_TO_WARM_UP)):
        reload(site, daemon)
    streams = [Stream(site, per_second=20, seed=seed).start() for seed in (1, 2)]
    resident, descriptors = [], []
    started = time.monotonic()
    beat = 0
    while time.monotonic() < started + seconds:
        beat += 1
        progress(beat, int(seconds))
        disturb(site, daemon, beat)
        # a period, not a wait: samples are to lie a second apart
        time.sleep(max(0.0, started + beat - time.monotonic()))
        if time.monotonic() > started + seconds / 3:
            at = time.monotonic() - started
            resident.append((at, daemon.resident_kib()))
            descriptors.append((at, daemon.descriptors()))
    for stream in streams:
        stream.stop()
    site.settled()
    judged = resident[-1][0] - resident[0][0]
    growth = slope(resident) * judged
    figure(f"{len(site.committed)} responses in {seconds:.0f} s; judged over {judged:.0f} s: resident "
           f"{resident[0][1]} to {resident[-1][1]} kB, slope {slope(resident) * 60:+.1f} kB/min; descriptors "
           f"{min(d for _, d in descriptors)} to {max(d for _, d in descriptors)}, slope "
           f"{slope(descriptors) * 60:+.2f}/min")
    assert growth <= GROWTH_KIB_MAX, f"memory grows: {resident}"
    assert max(d for _, d in descriptors) - min(d for _, d in descriptors) <= DESCRIPTORS_MAX, f"descriptors: {descriptors}"
