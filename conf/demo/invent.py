#!/usr/bin/python3
"""
Invents the sample responses of ./quickstart: the same ones each time.

  python3 conf/demo/invent.py > conf/demo/responses.csv

All names, addresses and words are made up; telephone numbers are from ranges kept free for such use.

SPDX-License-Identifier: Apache-2.0
"""
import csv
import json
import pathlib
import random
import sys

COUNT = 560
COLUMNS = ("source_id touchpoint region channel language customer_id customer_name customer_email customer_phone account"
           " account_name nps rating.quality rating.friendliness rating.punctuality attr.plan attr.device"
           " contact_requested comment").split()
REGIONS = {"leeds": "en", "hamburg": "de", "busan": "ko"}
ACCOUNTS = {"leeds": ("meadow-homes", "Meadow Homes"), "hamburg": ("elbhof-wohnen", "Elbhof Wohnen"),
            "busan": ("haeundae-terrace", "해운대 테라스")}
DEVICES = ("HP-6 monobloc", "HP-9 split", "HP-12 split", "HP-16 twin")
PHONES = {"en": "0113 496 0{:03d}", "de": "040 66969 {:03d}", "ko": "051-000-0{:03d}"}
MOODS = ("bad", "mixed", "good")


def person(rng, words, language):
    """A made-up name and its address, from the lists in words.json."""
    names = words["names"][language]
    first, latin = rng.choice(names["first"])
    last, latin_last = rng.choice(names["last"])
    name = last + first if language == "ko" else f"{first} {last}"
    return name, f"{latin}.{latin_last}@mail.example"


def comment_of(rng, words, touchpoint, language, mood, unused):
    """Mostly a first sentence about the touchpoint, and for half of them a second; each first one is used up before
    it comes again."""
    key = (touchpoint, language, mood)
    if not unused.get(key):
        unused[key] = list(words["comments"][touchpoint][language][mood])
        rng.shuffle(unused[key])
    text = unused[key].pop()
    if rng.random() < 0.5:
        text += " " + rng.choice(words["closing"][language][mood])
    return text


def response(rng, words, number, known, unused):
    region = rng.choices(tuple(REGIONS), (40, 34, 26))[0]
    language = REGIONS[region]
    touchpoint = rng.choices(("webshop", "delivery", "installation", "service"), (22, 24, 28, 26))[0]
    mood = rng.choices(MOODS, (21, 21, 58))[0]
    # One in eight answers comes from somebody who answered before.
    if known[region] and rng.random() < 0.125:
        customer, name, address = rng.choice(known[region])
    else:
        customer = f"H{10400 + number}"
        name, address = person(rng, words, language)
        known[region].append((customer, name, address))
    row = dict.fromkeys(COLUMNS, "")
    row.update(source_id=f"demo-{number:04d}", touchpoint=touchpoint, region=region, language=language,
               channel=rng.choices(("email", "sms", "qr-code"), (60, 28, 12))[0], customer_id=customer,
               customer_name=name)
    row["nps"] = rng.choice({"bad": (0, 1, 2, 2, 3, 3, 4, 5), "mixed": (5, 6, 7, 7, 8, 8), "good": (9, 9, 10, 10, 10)}[mood])
    if rng.random() < 0.8:
        row["customer_email"] = address
    if rng.random() < 0.6:
        row["customer_phone"] = PHONES[language].format(rng.randrange(1000))
    if rng.random() < 0.3:
        row["account"], row["account_name"] = ACCOUNTS[region]
    if rng.random() < 0.65:
        base = {"bad": 2, "mixed": 3.4, "good": 4.7}[mood]
        for rating in ("quality", "friendliness", "punctuality"):
            row[f"rating.{rating}"] = max(1, min(5, round(rng.gauss(base, 0.7))))
    row["attr.plan"] = rng.choices(("care-plus", "care", ""), (12, 48, 40))[0]
    if touchpoint in ("installation", "service"):
        row["attr.device"] = rng.choice(DEVICES)
    if rng.random() < {"bad": 0.22, "mixed": 0.05, "good": 0.01}[mood]:
        row["contact_requested"] = "true"
    if rng.random() < {"bad": 0.9, "mixed": 0.7, "good": 0.62}[mood]:
        row["comment"] = comment_of(rng, words, touchpoint, language, mood, unused)
    if number % 187 == 0:  # the company trying its own form
        row.update(customer_email="lena.brandt@halden.example", comment="Test", nps=1)
    return row


def main():
    words = json.loads(pathlib.Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
    rng, known, unused = random.Random(20270302), {r: [] for r in REGIONS}, {}
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number in range(1, COUNT + 1):
        writer.writerow(response(rng, words, number, known, unused))


if __name__ == "__main__":
    main()
