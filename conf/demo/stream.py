"""
Responses from a CSV file into closeloop.responses: which column goes where, what a value must be, and the insert.

SPDX-License-Identifier: Apache-2.0
"""
import csv
import datetime
import difflib
import json
import pathlib
import shlex
import subprocess

TEXT = ("source_id survey touchpoint channel customer_id customer_name customer_email customer_phone account"
        " account_name region language comment").split()
SCORES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
OTHERS = ["contact_requested", "responded_at"]
TARGETS = TEXT + list(SCORES) + OTHERS
PREFIXES = ("rating.", "attr.")
COMMENT_MAX = 1_000_000
TRUE_WORDS = {"1", "true", "t", "yes", "y", "x", "ja", "예", "네", "o"}
SCORE_WORDS = ("nps", "recommend", "score", "rating", "grade", "stars", "empfehl", "bewertung", "추천", "평점", "점수")
DATE_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%m/%d/%Y %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y.%m.%d")


class Refused(Exception):
    """Something the person who started us can put right; the text says how."""


def read_mapping(text):
    """'nps=rating_1_10,comment=text' → {'nps': 'rating_1_10', …}"""
    mapping = {}
    for part in filter(None, (p.strip() for p in (text or "").split(","))):
        target, equals, column = part.partition("=")
        target, column = target.strip(), column.strip()
        if not equals or not column:
            raise Refused(f"--map: write TO=COLUMN, not '{part}'")
        if target not in TARGETS and not target.startswith(PREFIXES):
            near = difflib.get_close_matches(target, TARGETS, 1)
            raise Refused(f"--map: there is no '{target}'" + (f", did you mean '{near[0]}'?" if near else "")
                          + f"\n  known: {' '.join(TARGETS)} rating.NAME attr.NAME")
        if target in mapping:
            raise Refused(f"--map: '{target}' is given twice")
        mapping[target] = column
    return mapping


def number(text):
    value = float(text.replace(",", "."))
    return int(value) if value == int(value) else value


def moment(text):
    try:
        value = datetime.datetime.fromisoformat(text)
    except ValueError:
        for form in DATE_FORMATS:
            try:
                value = datetime.datetime.strptime(text, form)
                break
            except ValueError:
                continue
        else:
            raise ValueError("is no date that I know") from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return value.isoformat()


def convert(target, text):
    """The value for a column; ValueError says what is wrong with it."""
    if target in SCORES:
        low, high = SCORES[target]
        try:
            value = number(text)
        except ValueError:
            raise ValueError("is no number") from None
        if not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"is not {low} to {high}")
        return value
    if target.startswith("rating."):
        try:
            return number(text)
        except ValueError:
            raise ValueError("is no number") from None
    if target == "contact_requested":
        return text.lower() in TRUE_WORDS
    if target == "responded_at":
        return moment(text)
    return text.replace("\0", "")[:COMMENT_MAX]


class Responses:
    """The rows of a file as they will be inserted, read one by one; `skipped` counts what can't be, by reason."""

    def __init__(self, path, mapping=None):
        self.path, self.skipped, self.count = pathlib.Path(path), {}, 0
        self.source = self.path.stem[:60] or "csv"
        try:
            with self._open(errors="strict") as file:
                sample = file.read(65536)
                file.seek(0)
                try:
                    self.dialect = csv.Sniffer().sniff(sample, ",;\t|")
                except csv.Error:
                    self.dialect = csv.excel
                self.dialect.doublequote = True
                header = next(csv.reader(file, self.dialect), None)
                self._refuse_open_quote()
        except OSError as e:
            raise Refused(f"{path}: {e.strerror}") from None
        except UnicodeDecodeError:
            raise Refused(f"{path}: is not UTF-8; save it as \"CSV UTF-8\", or: iconv -f WINDOWS-1252 -t UTF-8 (CP949 from Korean"
                          " spreadsheets)") from None
        if not header:
            raise Refused(f"{path}: the file is empty; its first line must name the columns")
        self.header = [h.strip() for h in header]
        self.mapping = self._resolve(mapping or {})

    def _open(self, errors="replace"):
        return open(self.path, encoding="utf-8-sig", errors=errors, newline="")

    def _refuse_open_quote(self):
        """A quote that is never closed makes one answer of all that follow."""
        last = 0
        csv.field_size_limit(16 << 20)
        with self._open() as file:
            reader = csv.reader(file, self.dialect, strict=True)
            try:
                for _ in reader:
                    last = reader.line_num
            except csv.Error as e:
                if "unexpected end" in str(e):
                    raise Refused(f"{self.path}: line {last + 1}: a quote is opened and never closed") from None

    def _score_like(self):
        """The column that looks most like the score, for an example."""
        return next((h for word in SCORE_WORDS for h in self.header if word in h.lower()), self.header[-1])

    def _resolve(self, given):
        for target, column in given.items():
            if column not in self.header:
                near = difflib.get_close_matches(column, self.header, 1)
                raise Refused(f"{self.path} has no column '{column}' (for {target})"
                              + (f", did you mean '{near[0]}'?" if near else "") + f"\n  it has: {', '.join(self.header)}")
        taken = set(given.values())
        mapping = {}
        for column in self.header:
            name = column.lower() if column.lower() in TARGETS else column
            if (name in TARGETS or name.startswith(PREFIXES)) and column not in taken:
                mapping.setdefault(name, column)
        mapping.update(given)
        if not any(t in SCORES or t.startswith("rating.") or t in ("comment", "contact_requested") for t in mapping):
            raise Refused(f"{self.path}: which column is what? It has: {', '.join(self.header)}\n"
                          f"  Say it with --map, for example: --map {shlex.quote(f'nps={self._score_like()}')}\n"
                          f"  Known here: {' '.join(TARGETS)} rating.NAME attr.NAME")
        return mapping

    def _skip(self, reason):
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def _row(self, raw):
        row, ratings, attributes = {"source": self.source}, {}, {}
        for target, column in self.mapping.items():
            text = (raw.get(column) or "").strip()
            if not text:
                continue
            try:
                value = convert(target, text)
            except ValueError as e:
                self._skip(f"{column} {e}")
                return None
            if target.startswith("rating."):
                ratings[target[7:]] = value
            elif target.startswith("attr."):
                attributes[target[5:]] = value
            else:
                row[target] = value
        if ratings:
            row["ratings"] = ratings
        if attributes:
            row["attributes"] = attributes
        return row

    def __iter__(self):
        seen = set()
        csv.field_size_limit(16 << 20)
        with self._open() as file:
            reader = csv.reader(file, self.dialect)
            next(reader)
            for values in reader:
                if not any(values):
                    continue
                row = self._row(dict(zip(self.header, values)))
                if row is None:
                    continue
                key = row.get("source_id")
                if key is not None and key in seen:
                    self._skip("the same source_id twice")
                    continue
                seen.add(key)
                self.count += 1
                yield row


class Session:
    """A psql that stays: one statement at a time, its rows as text."""

    END = "-- end of the answer --"

    def __init__(self, psql, conninfo):
        self.process = subprocess.Popen([str(psql), "-XAtq", "-d", conninfo], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                                        start_new_session=True)

    def run(self, sql):
        self.process.stdin.write(f"{sql}\n;\n\\echo {self.END}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.END:
                text = "".join(lines)
                if "ERROR:  " in text or "FATAL:  " in text:
                    raise RuntimeError(text.strip())
                return text
            lines.append(line)
        raise RuntimeError("the database went away: " + "".join(lines).strip())

    def json(self, sql):
        text = self.run(sql).strip()
        return json.loads(text) if text else None

    def close(self):
        self.process.stdin.close()
        self.process.wait(5)


COLUMN_TYPES = {**dict.fromkeys(["source"] + TEXT, "text"), **dict.fromkeys(SCORES, "smallint"), "ratings": "jsonb",
                "attributes": "jsonb", "contact_requested": "boolean", "responded_at": "timestamptz"}
PAST = "past-"  # source_id of the answers that were there before
DEFAULTS = {"ratings": "'{}'", "attributes": "'{}'", "contact_requested": "false", "responded_at": "now()"}


def insert(session, rows):
    """What a survey tool does: plain SQL. A response that is there already is left alone."""
    columns = ", ".join(COLUMN_TYPES)
    values = ", ".join(f"coalesce({c}, {DEFAULTS[c]})" if c in DEFAULTS else c for c in COLUMN_TYPES)
    types = ", ".join(f"{c} {t}" for c, t in COLUMN_TYPES.items())
    text = json.dumps(rows, ensure_ascii=False).replace("'", "''")
    session.run(f"INSERT INTO closeloop.responses ({columns}) SELECT {values} FROM json_to_recordset('{text}')"
                f" AS r({types}) ON CONFLICT (source, source_id) DO NOTHING")
