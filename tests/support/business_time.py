"""
Business time, slow and obviously right, as the oracle of tests: it walks over the minutes of UTC one by one and asks Python's zoneinfo
what the clock on the wall shows; it knows nothing of offsets, gaps or folds. What it should say stands in sql/006_business_time.sql.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import functools
import zoneinfo

SECOND, MINUTE, DAY = 1000000, 60000000, 86400000000  # microseconds


# Moments are microseconds since 1970, minutes and days are counted from there too.

@functools.lru_cache(maxsize=6000)
def wall_clock(zone, day):
    """What the wall shows at each minute of a day of UTC: [(date as its number, minute of the day)]."""
    tz = zoneinfo.ZoneInfo(zone)
    local = (datetime.datetime.fromtimestamp((day * 1440 + i) * 60, tz) for i in range(1440))
    return [(t.toordinal(), t.hour * 60 + t.minute) for t in local]


class Oracle:
    """One calendar in one zone. A local time is a pair: the date's number, microseconds since its midnight."""

    def __init__(self, zone, hours, holidays):
        self.zone, self.hours, self.holidays = zone, hours, {d.toordinal() for d in holidays}
        self.minutes_of, self.flags_of = {}, {}

    def works(self, date):
        return date not in self.holidays and any(d == (date - 1) % 7 + 1 for d, _, _ in self.hours)

    def own_minutes(self, date):
        """Minutes, counted from midnight, of the shifts that begin on a day; they may be those of the next one."""
        if date not in self.minutes_of:
            lines = [h for h in self.hours if h[0] == (date - 1) % 7 + 1] if self.works(date) else []
            self.minutes_of[date] = {m for _, start, end in lines for m in range(start, end)}
        return self.minutes_of[date]

    def shift(self, date, minute):
        """The day of the shift that is open when the wall shows this, or None."""
        if minute in self.own_minutes(date):
            return date
        return date - 1 if minute + 1440 in self.own_minutes(date - 1) else None

    def local(self, at):
        date, minute = wall_clock(self.zone, at // DAY)[at // MINUTE % 1440]
        return date, minute * MINUTE + at % MINUTE

    def flags(self, day):
        """Which minutes of a day of UTC are open."""
        if day not in self.flags_of:
            self.flags_of[day] = [self.shift(*w) is not None for w in wall_clock(self.zone, day)]
        return self.flags_of[day]

    def is_open(self, at):
        return self.flags(at // DAY)[at // MINUTE % 1440]

    def open_time(self, start, end):
        passed = 0
        while start < end:
            minute_end = min(start // MINUTE * MINUTE + MINUTE, end)
            if self.is_open(start):
                passed += minute_end - start
            start = minute_end
        return passed

    def after(self, at, amount):
        """The first moment by which so much open time has passed; without an amount, the next that is open."""
        while True:
            minute_end = at // MINUTE * MINUTE + MINUTE
            if self.is_open(at):
                if at + amount <= minute_end:
                    return at + amount
                amount -= minute_end - at
            at = minute_end

    def before(self, at, amount):
        """The last moment from which so much open time is left; without an amount, the last until which it is open."""
        while True:
            minute_start = (at - 1) // MINUTE * MINUTE
            if self.is_open(minute_start):
                if at - amount >= minute_start:
                    return at - amount
                amount -= at - minute_start
            at = minute_start

    def first_moment(self, date, since_midnight):
        """When the wall first shows this, or something later."""
        wanted = date * DAY + since_midnight
        at = (date - datetime.date(1970, 1, 1).toordinal() - 2) * DAY
        while True:
            shown_date, shown = self.local(at)
            missing = wanted - shown_date * DAY - shown
            if missing < MINUTE:
                return at + max(missing, 0)
            at += MINUTE

    def shift_at(self, at):
        date, since_midnight = self.local(at)
        return self.shift(date, since_midnight // MINUTE)

    def days(self, at, n, unit, step):
        """So many working days or weeks on (step 1) or back (step -1)."""
        if not self.is_open(at) and step > 0:
            at = self.after(at, 0)
        if self.is_open(at):
            shift, (date, since_midnight) = self.shift_at(at), self.local(at)
        else:  # backwards from a closing time
            at = self.before(at, 0)
            shift, (date, since_midnight) = self.shift_at(at - 1), self.local(at - 1)
            since_midnight += 1
        target = shift + step * n * 7 if unit == "w" else shift
        while unit == "d" and n > 0:
            target += step
            n -= self.works(target)
        at = self.first_moment(date + target - shift, since_midnight)
        if self.is_open(at) or self.is_open(at - 1):
            return at
        return self.after(at, 0) if step > 0 else self.before(at, 0)

    def promise(self, at, promise, step):
        n, unit = int(promise[:-1]), promise[-1]
        if unit in "dw":
            return self.days(at, n, unit, step)
        amount = n * {"s": 1, "m": 60, "h": 3600}[unit] * SECOND
        return self.after(at, amount) if step > 0 else self.before(at, amount)
