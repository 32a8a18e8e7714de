-- The tables, types and indexes of closeloop (DESIGN section 4).
--
-- Every statement may be run again and then changes nothing. Each migration is one transaction, begun and committed by
-- whoever applies it (`closeloop migrate`; `psql -1` in tests), so there is no BEGIN here. Names are always qualified.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE SCHEMA IF NOT EXISTS closeloop;
COMMENT ON SCHEMA closeloop IS 'Follow-up of customer feedback: responses come in, cases are opened, people are alerted.';

DO $$
BEGIN
	IF to_regtype('closeloop.case_status') IS NULL THEN
		CREATE TYPE closeloop.case_status AS ENUM
			('open', 'acknowledged', 'in_progress', 'waiting', 'resolved', 'closed', 'dismissed');
	END IF;
	IF to_regtype('closeloop.priority') IS NULL THEN
		CREATE TYPE closeloop.priority AS ENUM ('low', 'normal', 'high', 'urgent');
	END IF;
	IF to_regtype('closeloop.outcome') IS NULL THEN
		CREATE TYPE closeloop.outcome AS ENUM ('recovered', 'unchanged', 'lost');
	END IF;
	IF to_regtype('closeloop.message_state') IS NULL THEN
		CREATE TYPE closeloop.message_state AS ENUM
			('queued', 'held', 'leased', 'sent', 'failed', 'dead', 'cancelled');
	END IF;
END
$$;

-- ---- who and which version ----

CREATE TABLE IF NOT EXISTS closeloop.instance (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	name text NOT NULL CHECK (btrim(name) <> ''),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closeloop.instance IS
	'One row: the instance that may send from this database. A daemon configured under another name refuses to start, so a copied database alerts nobody.';

CREATE TABLE IF NOT EXISTS closeloop.migrations (
	number int PRIMARY KEY,
	name text NOT NULL,
	sha256 text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closeloop.migrations IS 'Which migrations were applied, with the SHA-256 of their text.';

-- ---- what came in ----

CREATE TABLE IF NOT EXISTS closeloop.responses (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	source text NOT NULL DEFAULT 'direct',
	source_id text,
	survey text,
	touchpoint text,
	channel text,
	customer_id text,
	customer_name text,
	customer_email text,
	customer_phone text,
	account text,
	account_name text,
	region text,
	language text,
	nps smallint CHECK (nps BETWEEN 0 AND 10),
	csat smallint CHECK (csat BETWEEN 1 AND 5),
	ces smallint CHECK (ces BETWEEN 1 AND 7),
	ratings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(ratings) = 'object'),
	contact_requested boolean NOT NULL DEFAULT false,
	comment text,
	attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
	responded_at timestamptz NOT NULL DEFAULT now(),
	received_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (source, source_id)
);
COMMENT ON TABLE closeloop.responses IS
	'Survey answers, written by applications. A writer that may send twice uses ON CONFLICT (source, source_id) DO UPDATE.';
COMMENT ON COLUMN closeloop.responses.touchpoint IS 'The moment of truth that was asked about: installation, delivery, check-out.';
COMMENT ON COLUMN closeloop.responses.ratings IS 'One number per question: {"delivery": 4}.';
COMMENT ON COLUMN closeloop.responses.attributes IS 'Anything else a rule or a person may want; declared in the settings.';

CREATE INDEX IF NOT EXISTS responses_customer ON closeloop.responses (customer_id, responded_at)
	WHERE customer_id IS NOT NULL;
-- For rules that ask of an account's past (history.X(D, account)); writers without accounts don't pay for it.
CREATE INDEX IF NOT EXISTS responses_account ON closeloop.responses (account, responded_at) WHERE account IS NOT NULL;
CREATE INDEX IF NOT EXISTS responses_received ON closeloop.responses (received_at);

-- No foreign key: a row here lives for milliseconds, and is written inside the application's own statement.
CREATE TABLE IF NOT EXISTS closeloop.inbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	response_id bigint NOT NULL,
	available_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	tries smallint NOT NULL DEFAULT 0,
	last_error text,
	set_aside_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
	autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0,
	autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0,
	autovacuum_analyze_threshold = 5000);
COMMENT ON TABLE closeloop.inbox IS
	'Responses that nobody has judged yet, written by the triggers on responses. The truth; NOTIFY is only a hint.';
-- Rows that are there when the column comes may be either.
ALTER TABLE closeloop.inbox ADD COLUMN IF NOT EXISTS changed boolean NOT NULL DEFAULT true;
ALTER TABLE closeloop.inbox ALTER changed SET DEFAULT false;
COMMENT ON COLUMN closeloop.inbox.changed IS 'The response may have been judged before: it was not just inserted.';
ALTER TABLE closeloop.inbox ADD COLUMN IF NOT EXISTS settles boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN closeloop.inbox.available_at IS 'Not to be judged before.';
COMMENT ON COLUMN closeloop.inbox.settles IS 'Its source has a settle window: later changes of the answer find this row and wait with it.';
CREATE INDEX IF NOT EXISTS inbox_settling ON closeloop.inbox (response_id) WHERE settles;
CREATE INDEX IF NOT EXISTS inbox_settled ON closeloop.inbox (available_at) WHERE settles;
CREATE INDEX IF NOT EXISTS inbox_set_aside ON closeloop.inbox (set_aside_at) WHERE set_aside_at IS NOT NULL;

-- ---- cases ----

CREATE TABLE IF NOT EXISTS closeloop.cases (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	response_id bigint NOT NULL UNIQUE REFERENCES closeloop.responses,
	customer_id text,
	status closeloop.case_status NOT NULL DEFAULT 'open',
	priority closeloop.priority NOT NULL DEFAULT 'normal',
	owner text,
	team text,
	route text,
	follow_up text,
	rules text[] NOT NULL DEFAULT '{}',
	opened_at timestamptz NOT NULL DEFAULT now(),
	acknowledged_at timestamptz,
	acknowledged_by text,
	first_action_at timestamptz,
	contacted_at timestamptz,
	resolved_at timestamptz,
	closed_at timestamptz,
	acknowledge_due_at timestamptz,
	resolve_due_at timestamptz,
	next_action_at timestamptz,
	waiting_since timestamptz,
	waiting_until timestamptz,
	root_cause text,
	resolution text,
	outcome closeloop.outcome,
	reopened int NOT NULL DEFAULT 0,
	handovers int NOT NULL DEFAULT 0,
	link_epoch int NOT NULL DEFAULT 0,
	ruleset text,
	version int NOT NULL DEFAULT 1,
	CHECK ((status = 'waiting') = (waiting_until IS NOT NULL)),
	CHECK ((status = 'waiting') = (waiting_since IS NOT NULL)),
	CHECK (status <> 'resolved' OR resolved_at IS NOT NULL),
	CHECK (status NOT IN ('closed', 'dismissed') OR closed_at IS NOT NULL)
) WITH (fillfactor = 90);
COMMENT ON TABLE closeloop.cases IS 'Follow-ups. Moved only by closeloop.case_transition().';
COMMENT ON COLUMN closeloop.cases.response_id IS 'The response that opened it.';
COMMENT ON COLUMN closeloop.cases.acknowledged_by IS 'Who acknowledged it in this round, by whatever action.';
COMMENT ON COLUMN closeloop.cases.contacted_at IS 'When the customer was last reached.';
COMMENT ON COLUMN closeloop.cases.closed_at IS 'When it was closed or dismissed.';
COMMENT ON COLUMN closeloop.cases.next_action_at IS 'When the daemon must look at it next; null: never.';
COMMENT ON COLUMN closeloop.cases.waiting_since IS 'Since when the resolve clock stands still.';
COMMENT ON COLUMN closeloop.cases.link_epoch IS 'Links made under an earlier number are dead.';
COMMENT ON COLUMN closeloop.cases.version IS 'One more with every change by a person; see expected_version of case_transition().';

-- What keeps its promises (007_follow_up.sql). A round begins with the opening and with every reopening. No foreign key on the
-- version: its few rows are never deleted, and each new case would lock one of them.
ALTER TABLE closeloop.cases
	ADD COLUMN IF NOT EXISTS follow_up_version int,
	ADD COLUMN IF NOT EXISTS assigned_at timestamptz,
	ADD COLUMN IF NOT EXISTS reopened_at timestamptz,
	ADD COLUMN IF NOT EXISTS waited interval NOT NULL DEFAULT '0',
	ADD COLUMN IF NOT EXISTS reminded int NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS warned_at timestamptz,
	ADD COLUMN IF NOT EXISTS fired text[] NOT NULL DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS unreached int NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS unheard_handovers int NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS ping_pong boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN closeloop.cases.follow_up_version IS 'The promises as they were when it was opened: follow_up_versions; null: none.';
COMMENT ON COLUMN closeloop.cases.assigned_at IS 'The last hand-over: the acknowledge clock and reminders count from here.';
COMMENT ON COLUMN closeloop.cases.reopened_at IS 'The last reopening: all clocks count from here.';
COMMENT ON COLUMN closeloop.cases.waited IS 'Open time that it has waited in this round; resolve, expiry and steps are that much later.';
COMMENT ON COLUMN closeloop.cases.reminded IS 'Number of the last reminder to this owner in this round.';
COMMENT ON COLUMN closeloop.cases.warned_at IS 'When the owner was warned in this round that the resolve time is near.';
COMMENT ON COLUMN closeloop.cases.fired IS 'Escalation steps taken in this round.';
COMMENT ON COLUMN closeloop.cases.unreached IS 'Attempts to contact the customer that reached nobody.';
COMMENT ON COLUMN closeloop.cases.unheard_handovers IS 'Hand-overs since the customer was last reached.';
COMMENT ON COLUMN closeloop.cases.ping_pong IS 'Handed over four times without anybody reaching the customer.';

-- Further answers that join it (013_merge.sql).
ALTER TABLE closeloop.cases
	ADD COLUMN IF NOT EXISTS last_response_at timestamptz,
	ADD COLUMN IF NOT EXISTS worst_response_id bigint,
	ADD COLUMN IF NOT EXISTS merge_account text,
	ADD COLUMN IF NOT EXISTS raised_version int,
	ADD COLUMN IF NOT EXISTS raised_at timestamptz,
	ADD COLUMN IF NOT EXISTS raised_waited interval;
COMMENT ON COLUMN closeloop.cases.last_response_at IS 'responded_at of the last answer that opened or joined it; null: see opened_at.';
COMMENT ON COLUMN closeloop.cases.worst_response_id IS 'The worst answer that joined it, if it is worse than the one that opened it.';
COMMENT ON COLUMN closeloop.cases.merge_account IS 'By which answers join it where merge_by is account; null elsewhere.';
COMMENT ON COLUMN closeloop.cases.raised_version IS
	'The promises of a rule by which an answer that joined made it more urgent; they count from raised_at, and the earlier due time holds.';
COMMENT ON COLUMN closeloop.cases.raised_waited IS 'What it had waited in this round by raised_at.';

-- In the order of a person's list: worst first, then what is due next (015_pages.sql asks with the same words).
CREATE INDEX IF NOT EXISTS cases_owner_list ON closeloop.cases (owner,
		(CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END),
		(coalesce(CASE WHEN status = 'open' THEN acknowledge_due_at END, resolve_due_at, 'infinity')), id)
	WHERE status IN ('open', 'acknowledged', 'in_progress', 'waiting');
DROP INDEX IF EXISTS closeloop.cases_owner_unresolved;
CREATE INDEX IF NOT EXISTS cases_owner_done ON closeloop.cases (owner, id) WHERE status IN ('resolved', 'closed', 'dismissed');
-- Every customer of every batch is looked for here: bytes are compared, not words.
CREATE INDEX IF NOT EXISTS cases_by_customer ON closeloop.cases (customer_id COLLATE "C", opened_at) WHERE customer_id IS NOT NULL;
DROP INDEX IF EXISTS closeloop.cases_customer;
CREATE INDEX IF NOT EXISTS cases_by_account ON closeloop.cases (merge_account COLLATE "C", opened_at)
	WHERE merge_account IS NOT NULL;
CREATE INDEX IF NOT EXISTS cases_next_action ON closeloop.cases (next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS cases_since ON closeloop.cases USING brin (opened_at);
DROP INDEX IF EXISTS closeloop.cases_opened;

CREATE TABLE IF NOT EXISTS closeloop.case_responses (
	response_id bigint PRIMARY KEY,
	case_id bigint,
	relation text NOT NULL CHECK (relation IN ('opened', 'joined', 'linked', 'amended', 'noted', 'praised')),
	rules text[] NOT NULL DEFAULT '{}',
	facts jsonb NOT NULL DEFAULT '{}',
	ruleset text,
	at timestamptz NOT NULL DEFAULT now(),
	CHECK ((case_id IS NULL) = (relation IN ('noted', 'praised')))
);
COMMENT ON TABLE closeloop.case_responses IS
	'What became of every matching response, and what was seen when it was judged. One row each, so none is judged twice.';
ALTER TABLE closeloop.case_responses ADD COLUMN IF NOT EXISTS row_version text, ADD COLUMN IF NOT EXISTS answer jsonb;
COMMENT ON COLUMN closeloop.case_responses.answer IS
	'What people were told of the answer as it was judged last, to say what a change has changed: scores, contact_requested, and a fingerprint of the words.';
COMMENT ON COLUMN closeloop.case_responses.row_version IS
	'xmin of the response as it was judged last: judged once more in the same state, it is no amendment.';
CREATE INDEX IF NOT EXISTS case_responses_case ON closeloop.case_responses (case_id) WHERE case_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS closeloop.case_events (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	case_id bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	actor text NOT NULL,
	kind text NOT NULL,
	from_status closeloop.case_status,
	to_status closeloop.case_status,
	note text,
	details jsonb NOT NULL DEFAULT '{}'
);
ALTER TABLE closeloop.case_events DROP CONSTRAINT IF EXISTS case_events_kind_check;
ALTER TABLE closeloop.case_events ADD CONSTRAINT case_events_kind_check CHECK (kind IN ('opened', 'acknowledged', 'started',
	'contacted', 'waiting', 'resolved', 'closed', 'dismissed', 'reopened', 'assigned', 'noted', 'undone', 'amended', 'joined',
	'cooldown', 'reminded', 'escalated', 'outcome')) NOT VALID;
COMMENT ON TABLE closeloop.case_events IS 'The history of every case; rows are only added. actor is a person, "daemon", or "cli:USER".';
CREATE INDEX IF NOT EXISTS case_events_case ON closeloop.case_events (case_id, id);

-- A foreign key asks the parent about each new row, which costs more than writing it. Here that can't go wrong: who records an answer
-- has locked it, who writes an event has locked or just opened its case. So only the other end is guarded: what has a record or a
-- history isn't deleted. cases.response_id stays a key: TRUNCATE and pg_restore go by it.
ALTER TABLE closeloop.case_responses DROP CONSTRAINT IF EXISTS case_responses_response_id_fkey;
ALTER TABLE closeloop.case_responses DROP CONSTRAINT IF EXISTS case_responses_case_id_fkey;
ALTER TABLE closeloop.case_events DROP CONSTRAINT IF EXISTS case_events_case_id_fkey;

CREATE OR REPLACE FUNCTION closeloop.keep_with_records() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		TRUNCATE closeloop.case_responses, closeloop.case_events;
	ELSIF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
		RETURN NULL;
	ELSIF TG_TABLE_NAME = 'responses' AND EXISTS (SELECT FROM closeloop.case_responses AS r WHERE r.response_id = OLD.id) THEN
		RAISE EXCEPTION 'response % can''t be deleted: it was judged', OLD.id USING ERRCODE = 'foreign_key_violation',
			TABLE = 'case_responses', SCHEMA = 'closeloop', HINT = 'Delete its row of closeloop.case_responses first.';
	ELSIF TG_TABLE_NAME = 'cases' AND (EXISTS (SELECT FROM closeloop.case_responses AS r WHERE r.case_id = OLD.id)
			OR EXISTS (SELECT FROM closeloop.case_events AS e WHERE e.case_id = OLD.id)) THEN
		RAISE EXCEPTION 'case C-% can''t be deleted: it has a history', OLD.id USING ERRCODE = 'foreign_key_violation',
			TABLE = 'case_events', SCHEMA = 'closeloop',
			HINT = 'Delete its rows of closeloop.case_events and closeloop.case_responses first.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.keep_with_records() IS
	'Trigger on responses and cases: what case_responses and case_events speak of is neither deleted nor given another id.';
CREATE OR REPLACE TRIGGER keep_with_records AFTER DELETE OR UPDATE OF id ON closeloop.responses
	FOR EACH ROW EXECUTE FUNCTION closeloop.keep_with_records();
CREATE OR REPLACE TRIGGER keep_with_records AFTER DELETE OR UPDATE OF id ON closeloop.cases
	FOR EACH ROW EXECUTE FUNCTION closeloop.keep_with_records();
CREATE OR REPLACE TRIGGER keep_with_records_truncate AFTER TRUNCATE ON closeloop.cases
	FOR EACH STATEMENT EXECUTE FUNCTION closeloop.keep_with_records();

-- ---- the outbox ----

CREATE TABLE IF NOT EXISTS closeloop.messages (
	id uuid PRIMARY KEY,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	case_id bigint,
	response_id bigint,
	kind text NOT NULL,
	step text,
	channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
	endpoint text NOT NULL,
	recipient text,
	address text,
	payload text NOT NULL,
	dedup_key text NOT NULL UNIQUE,
	state closeloop.message_state NOT NULL DEFAULT 'queued',
	attempt int NOT NULL DEFAULT 0,
	next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	lease_until timestamptz,
	fence int NOT NULL DEFAULT 0,
	daemon text,
	digest_id uuid,
	queued_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	sent_at timestamptz,
	last_code int,
	last_error text,
	handed_on boolean NOT NULL DEFAULT false,
	CHECK ((channel = 'email') = (endpoint = 'email'))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
	autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.02);
-- Mails are large enough to be compressed; lz4 takes a tenth of the time, where the server was built with it (Debian's is).
DO $$
BEGIN
	ALTER TABLE closeloop.messages ALTER payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END
$$;
-- A case has its first event before its first message, and that event keeps it from being deleted: keep_with_records().
ALTER TABLE closeloop.messages DROP CONSTRAINT IF EXISTS messages_case_id_fkey;
COMMENT ON TABLE closeloop.messages IS 'The outbox: rendered once, delivered at least once under an id that never changes.';
COMMENT ON COLUMN closeloop.messages.payload IS 'The bytes that leave: a whole RFC 5322 message, or the JSON of a webhook.';
COMMENT ON COLUMN closeloop.messages.next_at IS 'Not to be tried before; while leased, the end of the lease.';
COMMENT ON COLUMN closeloop.messages.fence IS 'One more with every lease; a result under an older number comes too late.';
COMMENT ON COLUMN closeloop.messages.queued_at IS 'When the response was captured, by the trigger''s clock: latency counts from here.';
COMMENT ON COLUMN closeloop.messages.handed_on IS 'It could not be delivered, and the next person was told instead.';

ALTER TABLE closeloop.messages ADD COLUMN IF NOT EXISTS held_for text;

-- Each message is written twice at least, and then every index here too: one more must be worth it. Few messages belong to one
-- case, so messages_case also finds those that are outstanding; messages of a response with a case are found by the case.
-- By state first: where a transaction holds xmin, the entries of what was leased and sent meanwhile stay, and nobody who looks for what
-- waits reads them.
CREATE INDEX IF NOT EXISTS messages_outstanding ON closeloop.messages (endpoint, state, next_at) WHERE state IN ('queued', 'leased');
DROP INDEX IF EXISTS closeloop.messages_due;
CREATE INDEX IF NOT EXISTS messages_held ON closeloop.messages (recipient, seq) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS messages_undelivered ON closeloop.messages (seq) WHERE state IN ('failed', 'dead');
CREATE INDEX IF NOT EXISTS messages_case ON closeloop.messages (case_id, seq) WHERE case_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_response ON closeloop.messages (response_id) WHERE case_id IS NULL;
DROP INDEX IF EXISTS closeloop.messages_recipient; -- nobody asks that way, and a plan made while the table is empty took it
CREATE INDEX IF NOT EXISTS messages_since ON closeloop.messages USING brin (created_at);
DROP INDEX IF EXISTS closeloop.messages_created;

CREATE TABLE IF NOT EXISTS closeloop.attempts (
	id bigint GENERATED ALWAYS AS IDENTITY,
	message_id uuid NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	outcome text NOT NULL CHECK (outcome IN ('sent', 'retry', 'failed', 'ambiguous', 'blocked', 'credentials', 'gone', 'released')),
	code int,
	duration_ms int,
	error text,
	answer text,
	CONSTRAINT attempts_message PRIMARY KEY (message_id, id)
);
COMMENT ON TABLE closeloop.attempts IS 'One row per delivery attempt, with the start of the receiver''s answer.';
-- Attempts are written for messages that the same statement has just moved, so nothing is checked here; they go with their message.
ALTER TABLE closeloop.attempts DROP CONSTRAINT IF EXISTS attempts_message_id_fkey;
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'closeloop.attempts'::regclass AND conname = 'attempts_pkey') THEN
		DROP INDEX closeloop.attempts_message;
		ALTER TABLE closeloop.attempts DROP CONSTRAINT attempts_pkey,
			ADD CONSTRAINT attempts_message PRIMARY KEY (message_id, id);
	END IF;
END
$$;
CREATE OR REPLACE FUNCTION closeloop.attempts_go() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	DELETE FROM closeloop.attempts AS a USING gone AS m WHERE a.message_id = m.id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.attempts_go() IS 'Trigger on messages: the attempts of deleted messages are deleted too.';
CREATE OR REPLACE TRIGGER attempts_go AFTER DELETE ON closeloop.messages
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION closeloop.attempts_go();

CREATE TABLE IF NOT EXISTS closeloop.endpoints (
	name text PRIMARY KEY,
	failures int NOT NULL DEFAULT 0,
	breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
	paused boolean NOT NULL DEFAULT false,
	disabled boolean NOT NULL DEFAULT false,
	until timestamptz,
	reason text,
	updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE closeloop.endpoints IS
	'State of receivers that must survive a restart. Names: "email", each webhook, and "*" for all sending.';

-- What somebody must be told that only the daemon can put into words: it renders the mail and deletes the row in one transaction.
CREATE TABLE IF NOT EXISTS closeloop.notices (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	case_id bigint NOT NULL REFERENCES closeloop.cases,
	kind text NOT NULL,
	event_id bigint,
	message_id uuid,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE closeloop.notices IS
	'Mails and webhooks to be written: something happened to a case (event_id; kind is the event''s), or a mail could not be delivered (message_id; kind undelivered) and the next person is told.';
ALTER TABLE closeloop.notices DROP CONSTRAINT IF EXISTS notices_kind_check;
CREATE INDEX IF NOT EXISTS notices_case ON closeloop.notices (case_id);

-- ---- who is responsible ----

CREATE TABLE IF NOT EXISTS closeloop.people (
	id text PRIMARY KEY CHECK (id ~ '^[A-Za-z][A-Za-z0-9_-]*$'),
	name text NOT NULL,
	email text,
	language text,
	timezone text,
	calendar text,
	reports_to text,
	deputy text,
	login text,
	quiet_hours text,
	morning text,
	alerts_per_hour int CHECK (alerts_per_hour >= 0),
	urgent_per_hour int CHECK (urgent_per_hour >= 0)
);
COMMENT ON TABLE closeloop.people IS 'Managers kept in the database beside those of the configuration; null takes the global setting.';

CREATE TABLE IF NOT EXISTS closeloop.absences (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	person text NOT NULL,
	starts_at timestamptz NOT NULL DEFAULT now(),
	ends_at timestamptz,
	deputy text,
	note text,
	CHECK (ends_at > starts_at)
);
COMMENT ON TABLE closeloop.absences IS 'Who is away, and who stands in; ends_at null: until further notice.';
CREATE INDEX IF NOT EXISTS absences_person ON closeloop.absences (person, starts_at);

-- How values are compared: composed (Korean typed on a Mac arrives decomposed), without case, trimmed.
CREATE OR REPLACE FUNCTION closeloop.fold(value text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ SELECT pg_catalog.lower(pg_catalog.normalize(
		pg_catalog.btrim(value, E' \t\n\r\f\u000b\u00a0\u3000'), 'NFC')) $$;
COMMENT ON FUNCTION closeloop.fold(text) IS 'Text as it is compared: NFC, lower case, without white space around it.';

CREATE TABLE IF NOT EXISTS closeloop.owners (
	dimension text NOT NULL CHECK (btrim(dimension) <> ''),
	value text NOT NULL CHECK (btrim(value) <> ''),
	person text NOT NULL CHECK (btrim(person) <> ''),
	imported_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closeloop.owners IS 'Who is responsible for what: dimension "touchpoint+region", value "installation+seoul", person "minsu-kim".';
CREATE UNIQUE INDEX IF NOT EXISTS owners_key ON closeloop.owners (dimension, closeloop.fold(value));

CREATE TABLE IF NOT EXISTS closeloop.team_positions (
	team text PRIMARY KEY,
	position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE closeloop.team_positions IS 'Whose turn it is in teams that assign round-robin.';

-- ---- rules and daemons ----

CREATE TABLE IF NOT EXISTS closeloop.rulesets (
	sha256 text PRIMARY KEY,
	text text NOT NULL,
	since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closeloop.rulesets IS 'Every configuration that was live, without its database section.';

CREATE TABLE IF NOT EXISTS closeloop.daemons (
	id text PRIMARY KEY,
	host text,
	pid int,
	version text,
	started_at timestamptz NOT NULL DEFAULT now(),
	seen_at timestamptz NOT NULL DEFAULT now(),
	stopped_at timestamptz,
	ruleset text,
	listening boolean NOT NULL DEFAULT false,
	batch_limit int
) WITH (fillfactor = 50);
COMMENT ON TABLE closeloop.daemons IS 'Which daemons run, since when, with which rules.';
