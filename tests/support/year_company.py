"""
The company of test_year, as data: from here comes the configuration that closeloopd reads, and what year_check expects.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json

ZONE = "Europe/Berlin"
HOLIDAYS = {
    "office": ["2027-10-03", "2027-12-24", "2027-12-25", "2027-12-26", "2027-12-31", "2028-01-01", "2028-04-14", "2028-04-17", "2028-05-01",
               "2028-05-25"],
    "shop": ["2027-12-25", "2028-01-01", "2028-02-29"],
    "night": ["2027-12-24", "2027-12-31"],
}
# name: (time zone or "owner", [(days as written, days, from, to)], holidays)
CALENDARS = {
    "office": ("owner", [("Mon-Fri", range(1, 6), 9 * 60, 12 * 60), ("Mon-Fri", range(1, 6), 13 * 60, 18 * 60)]),
    "shop": ("owner", [("Mon-Sat", range(1, 7), 10 * 60, 20 * 60)]),
    "night": (ZONE, [("Mon-Sun", range(1, 8), 22 * 60, 30 * 60)]),
}
# olga works whenever she likes; there is no clock on her but the one on the wall.
PEOPLE = {
    "anna": {"timezone": "Europe/Berlin", "calendar": "office", "reports_to": "olga", "language": "de", "quiet_hours": "20:00-07:00",
             "morning": "08:30"},
    "ben": {"timezone": "America/New_York", "calendar": "office", "reports_to": "olga", "language": "en", "alerts_per_hour": 3},
    "minsu": {"timezone": "Asia/Seoul", "calendar": "shop", "reports_to": "jiwoo", "language": "ko"},
    "jiwoo": {"timezone": "Asia/Seoul", "calendar": "shop", "reports_to": "olga", "language": "ko", "morning": "09:00"},
    "olga": {"timezone": "Europe/Berlin", "language": "en"},
}
TEAM = {"members": ["ben", "anna"], "lead": "anna"}
OWNERS = {"hanbit": "minsu", "nuri": "jiwoo", "elbhof": "anna", "norden": "ben"}  # accounts; any other is olga's
LAST_OWNER = "olga"
FOLLOW_UPS = {
    "standard": {"calendar": "owner", "acknowledge_within": "4h", "resolve_within": "2d", "warn_before": "4h", "remind_every": "2h",
                 "remind_at_most": 3, "close_after": "7d",
                 "escalate": {"boss": ("unacknowledged", "6h", "manager"), "head": ("unresolved", "", "person:olga")}},
    "callback": {"acknowledge_within": "30m", "resolve_within": "1d", "warn_before": "90m", "remind_every": "10m", "remind_at_most": 3,
                 "close_after": "36h",
                 "escalate": {"boss": ("unacknowledged", "", "manager"), "team": ("unresolved", "12h", "team:care"),
                              "head": ("unresolved", "2d", "person:olga")}},
    "night": {"calendar": "night", "acknowledge_within": "90m", "resolve_within": "5d", "warn_before": "1d", "remind_every": "45m",
              "remind_at_most": 2, "close_after": "1w", "expire_after": "3w",
              "escalate": {"boss": ("unacknowledged", "3h", "lookup:account"), "head": ("unresolved", "2w", "manager")}},
    "slow": {"calendar": "office", "acknowledge_within": "3d", "resolve_within": "", "remind_every": "1d", "remind_at_most": 1, "close_after": "2w",
             "expire_after": "20d", "escalate": {"boss": ("unacknowledged", "1w", "person:jiwoo")}},
}


def low(r):
    return r["nps"] is not None and r["nps"] <= 6


# rule: (when, priority, follow_up, whether an answer matches); all tried, the one of the highest priority wins, ties: the first
RULES = {
    "callback": ("contact_requested", "urgent", "callback", lambda r: r["contact_requested"]),
    "delivery": ("nps <= 6 and touchpoint is 'delivery'", "high", "night", lambda r: low(r) and r["touchpoint"] == "delivery"),
    "angry": ("nps <= 3", "high", "standard", lambda r: r["nps"] is not None and r["nps"] <= 3),
    "detractor": ("nps <= 6", "normal", "standard", low),
    "stars": ("csat <= 2", "low", "slow", lambda r: r["csat"] is not None and r["csat"] <= 2),
}
PRIORITIES = ("low", "normal", "high", "urgent")
OUTCOME_WITHIN = datetime.timedelta(days=60)
HOOKED = {"callback", "delivery"}  # rules whose route has a webhook


def matching(response):
    """(rules, priority, follow_up) of an answer; None when none matches."""
    names = [name for name, rule in RULES.items() if rule[3](response)]
    if not names:
        return None
    winner = max(names, key=lambda n: (PRIORITIES.index(RULES[n][1]), -list(RULES).index(n)))
    return names, RULES[winner][1], RULES[winner][2]


def text(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


def group(fields):
    def value(v):
        return v if isinstance(v, str) and v.startswith("{") else json.dumps(v, ensure_ascii=False)

    return "{ " + " ".join(f"{k} = {value(v)};" for k, v in fields.items()) + " }"


def sections():
    """For Site.configure()."""
    people = {name: group({"name": name.capitalize(), "email": f"{name}@halden.example", **p}) for name, p in PEOPLE.items()}
    calendars = {name: group({"timezone": zone, "hours": [f"{days} {text(a)}-{text(b)}" for days, _, a, b in hours],
                              "holidays": HOLIDAYS[name]}) for name, (zone, hours) in CALENDARS.items()}
    follow_ups = {}
    for name, f in FOLLOW_UPS.items():
        steps = {step: group({"when": when, **({"after": after} if after else {}), "to": to})
                 for step, (when, after, to) in f["escalate"].items()}
        follow_ups[name] = group({**f, "escalate": group(steps)})
    rules = {name: group({"when": when, "priority": priority, "follow_up": follow_up,
                          "route": "hooked" if name in HOOKED else "account"})
             for name, (when, priority, follow_up, _) in RULES.items()}
    return {
        "people": group(people), "calendars": group(calendars), "follow_ups": group(follow_ups), "rules": group(rules),
        "teams": group({"care": group(TEAM)}),
        "routes": """{ account: { owner = [ "lookup:account", "person:olga" ]; notify = [ "email:owner" ]; };
  hooked: { owner = [ "lookup:account", "person:olga" ]; notify = [ "email:owner", "webhook:crm" ]; }; }""",
        "attributes": "{ }", "facts": "{ }",
        "defaults": '{ route = "account"; follow_up = "standard"; priority = "normal"; }',
        "cases": '{ merge_within = "0s"; recurrence = "reopen"; outcome_within = "60d"; }',
    }
