"""
When something is due, for year_check: promises under the calendars of year_company, by the oracle of business_time.

The oracle answers from the minutes of a day. So that a year of cases takes seconds, the minutes in which a calendar is open are put
together to openings once, and open time is counted over those; days and weeks are the oracle's own.

SPDX-License-Identifier: Apache-2.0
"""
import bisect
import datetime
import functools
import zoneinfo

import year_company as company
from business_time import DAY, MINUTE, SECOND, Oracle

UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY, "w": 7 * DAY}
FIRST = datetime.date(2027, 7, 1).toordinal() - datetime.date(1970, 1, 1).toordinal()
LAST = FIRST + 640  # a year, and whatever is promised at its end
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
FAR = 1 << 62  # never


def us(at):
    return None if at is None else (at - EPOCH) // datetime.timedelta(microseconds=1)


def shown(at):
    return "never" if at is None or at >= FAR else str(EPOCH + datetime.timedelta(microseconds=at))[:26]


class Wall:
    """No calendar: the clock on the wall."""

    @staticmethod
    def promise(at, promise, step):
        return at + step * int(promise[:-1]) * UNITS[promise[-1]]

    @staticmethod
    def open_time(start, end):
        return max(end - start, 0)

    @staticmethod
    def after(at, amount):
        return at + amount


class Openings(Oracle):
    """The same answers, from openings instead of minutes."""

    def __init__(self, zone, hours, holidays):
        super().__init__(zone, hours, holidays)
        self.tz = zoneinfo.ZoneInfo(zone)
        self.opens, self.closes, self.upto = [], [], []
        passed = 0
        for minute in range(FIRST * 1440, LAST * 1440):
            if not self.flags(minute // 1440)[minute % 1440]:
                continue
            if not self.closes or self.closes[-1] != minute * MINUTE:
                self.opens.append(minute * MINUTE)
                self.closes.append(minute * MINUTE)
                self.upto.append(passed)
            self.closes[-1] += MINUTE
            passed += MINUTE
        self.promise = functools.lru_cache(maxsize=None)(self.promise)

    def counted(self, at):
        """Open time from the first opening until a moment."""
        i = bisect.bisect_right(self.opens, at) - 1
        return 0 if i < 0 else self.upto[i] + min(at, self.closes[i]) - self.opens[i]

    def open_time(self, start, end):
        return max(self.counted(end) - self.counted(start), 0)

    def after(self, at, amount):
        if amount == 0:
            return at if self.is_open(at) else self.opens[bisect.bisect_right(self.opens, at)]
        wanted = self.counted(at) + amount
        i = bisect.bisect_left(self.upto, wanted) - 1
        return self.opens[i] + wanted - self.upto[i]

    def before(self, at, amount):
        if amount == 0:
            return super().before(at, 0)
        wanted = self.counted(at) - amount
        i = bisect.bisect_right(self.upto, wanted) - 1
        return self.opens[i] + wanted - self.upto[i]

    def first_moment(self, date, since_midnight):
        local = datetime.datetime.fromordinal(date) + datetime.timedelta(microseconds=since_midnight)
        earliest = local.replace(tzinfo=self.tz) - datetime.timedelta(hours=3)  # more than clocks are changed by
        at = int(earliest.astimezone(datetime.timezone.utc).timestamp()) * SECOND // MINUTE * MINUTE
        wanted = date * DAY + since_midnight
        while True:
            shown_date, shown = self.local(at)
            missing = wanted - shown_date * DAY - shown
            if missing < MINUTE:
                return at + max(missing, 0)
            at += MINUTE


@functools.lru_cache(maxsize=None)
def openings(name, zone):
    hours = [(day, a, b) for _, days, a, b in company.CALENDARS[name][1] for day in days]
    return Openings(zone, hours, [datetime.date.fromisoformat(d) for d in company.HOLIDAYS[name]])


def clock(calendar, owner):
    """The calendar of a follow_up, for an owner."""
    person = company.PEOPLE[owner]
    name = person.get("calendar") if calendar == "owner" else calendar
    if name is None:
        return Wall
    zone = company.CALENDARS[name][0]
    return openings(name, person["timezone"] if zone == "owner" else zone)


def times(promise, n):
    return f"{int(promise[:-1]) * n}{promise[-1]}"


def later_by(due, waited, of):
    """A due time, put off by the open time that the case has waited."""
    return due if due is None or waited == 0 else of.after(due, waited)


def quiet_until(person, at):
    """The end of the quiet hours in which a moment lies, else the moment."""
    hours = company.PEOPLE[person].get("quiet_hours")
    if not hours:
        return at
    begin, end = (int(t[:2]) * 60 + int(t[3:]) for t in hours.split("-"))
    tz = zoneinfo.ZoneInfo(company.PEOPLE[person]["timezone"])
    shown = datetime.datetime.fromtimestamp(at / SECOND, tz)
    minute = shown.hour * 60 + shown.minute
    if end <= minute < begin:
        return at
    day = shown.date() + datetime.timedelta(days=minute >= begin)
    return int(datetime.datetime.combine(day, datetime.time(end // 60, end % 60), tz).timestamp()) * SECOND
