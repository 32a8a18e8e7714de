-- The tables of ceiling_drain: as little as does the work.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE response (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	survey text,
	customer text,
	nps smallint,
	stars smallint,
	contact_requested boolean NOT NULL DEFAULT false,
	comment text,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE queue (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	response_id bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE follow_up (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	response_id bigint NOT NULL UNIQUE,
	rules int NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	delivered_at timestamptz
);

CREATE FUNCTION enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO queue (response_id) SELECT id FROM arrived;
	PERFORM pg_notify('bare', '');
	RETURN NULL;
END
$$;
CREATE TRIGGER enqueue AFTER INSERT ON response REFERENCING NEW TABLE AS arrived
	FOR EACH STATEMENT EXECUTE FUNCTION enqueue();
