/*
 * One message straight out of the command; see send.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/send.h"
#include "base/escape.h"
#include "channel/channel.h"
#include "loop/loop.h"

#include <string.h>

#define WAIT_US (60 * US_PER_S)
#define GRACE_US (1 * US_PER_S)

struct sending {
	struct loop *loop;
	struct delivery_result *result;
	struct deadline deadline;
};

static void sending_on_result(void *arg, struct delivery_result *result)
{
	struct sending *s = arg;

	s->result = result;
	loop_stop(s->loop);
}

static void sending_on_deadline(struct deadline *d)
{
	loop_stop(d->loop);
}

int cli_send(struct cli *c, struct delivery *d, struct delivery_result **ret)
{
	struct settings *settings CLEANUP(settings_freep) = NULL;
	struct loop *loop CLEANUP(loop_freep) = loop_new();
	struct sending s = {.loop = loop};
	struct channel *channel;
	int r = cli_settings_to_send(c, &settings);

	if (r) {
		delivery_free(d);
		return r;
	}
	channel = channel_new(loop, settings, sending_on_result, &s);
	deadline_init(&s.deadline, loop, "send", sending_on_deadline);
	deadline_arm(&s.deadline, WAIT_US);
	channel_submit(channel, d);
	loop_run(loop);
	deadline_disarm(&s.deadline);
	channel_stop(channel, GRACE_US);
	channel_free(channel);
	if (!s.result)
		return cli_fail(EXIT_UNAVAILABLE, "no answer within a minute");
	*ret = s.result;
	return 0;
}

void cli_put_result(struct buf *out, const struct delivery_result *r, const char *to)
{
	char id[UUID_TEXT_BYTES];

	buf_printf(out, "{\"id\":\"%s\",\"endpoint\":", uuid_text(&r->delivery->id, id));
	json_put_string(out, r->delivery->endpoint);
	buf_puts(out, ",\"to\":");
	json_put_string(out, to);
	buf_printf(out, ",\"outcome\":\"%s\",\"code\":", delivery_outcome_name(r->outcome));
	if (r->code)
		buf_put_int(out, r->code);
	else
		buf_puts(out, "null");
	buf_printf(out, ",\"duration_ms\":%d,\"error\":", (int)r->duration_ms);
	json_put_string(out, r->error[0] ? r->error : NULL);
	buf_puts(out, ",\"answer\":");
	json_put_string(out, r->answer[0] ? r->answer : NULL);
	buf_putc(out, '}');
}

int cli_result_code(const struct delivery_result *r)
{
	if (r->outcome == DELIVERY_SENT)
		return EXIT_DONE;
	return r->outcome == DELIVERY_RETRY || r->outcome == DELIVERY_AMBIGUOUS ? EXIT_UNAVAILABLE : EXIT_NO;
}

int cli_send_told(struct cli *c, const struct delivery_result *r, const char *to)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
		       json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	bool sent = r->outcome == DELIVERY_SENT;

	if (c->json) {
		cli_put_result(&json, r, to);
		text_put_json(&out, buf_str(&json), json.n);
		buf_putc(&out, '\n');
		cli_print(c, &out);
	} else if (sent) {
		buf_puts(&out, r->delivery->endpoint);
		if (to)
			buf_printf(&out, " to %s", to);
		buf_printf(&out, ": accepted, %d in %d ms\n", r->code, (int)r->duration_ms);
		cli_print(c, &out);
	}
	if (sent)
		return EXIT_DONE;
	cli_error("%s%s%s: %s, %s%s", r->delivery->endpoint, to ? " to " : "", to ? to : "", delivery_outcome_name(r->outcome),
		  r->code ? arena_printf(c->arena, "%d ", r->code) : "", r->error[0] ? r->error : r->answer);
	return cli_result_code(r);
}

int cli_send_address(struct cli *c, const char *wanted, const char **ret_address)
{
	const struct settings *s = c->settings;

	if (!s->email.set)
		return cli_fail(EXIT_CONFIGURATION, "there is no email section in %s", s->path);
	if (s->delivery == DELIVER_HOLD)
		return cli_fail(EXIT_NO, "delivery = \"hold\": nothing is sent");
	if (!address_valid(wanted))
		return cli_fail(EXIT_USAGE_ERROR, "'%s' is no mail address that can be used", wanted);
	*ret_address = s->delivery == DELIVER_REDIRECT ? s->redirect_to : wanted;
	return 0;
}

int cli_send_mail(struct cli *c, const struct alert *alert, const struct mail_text *text)
{
	struct buf message CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	struct delivery_result *result = NULL;
	int r;

	if (mail_message(c->settings, alert, text, wall_now(), &message) < 0 || message.overflow)
		return cli_fail(EXIT_NO, "the mail to '%s' could not be made", alert->person_address);
	r = cli_send(c, delivery_new(&alert->message_id, ENDPOINT_EMAIL, alert->person_address, buf_str(&message), message.n),
		     &result);
	if (r)
		return r;
	r = cli_send_told(c, result, alert->person_address);
	delivery_result_free(result);
	return r;
}
