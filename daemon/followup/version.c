/*
 * A follow_up as JSON; see version.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "followup/version.h"
#include "base/escape.h"

static void put_text(const char *name, const char *value, struct buf *out)
{
	buf_printf(out, "%s\"%s\":", out->n && out->p[out->n - 1] != '{' ? "," : "", name);
	json_put_string(out, value);
}

static void put_promise(const char *name, const struct promise *p, struct buf *out)
{
	if (p->amount < 0)
		return;
	buf_printf(out, ",\"%s\":\"%lld%c\"", name, (long long)p->amount, p->unit);
}

static void put_step(const struct escalate_step *s, struct buf *out)
{
	buf_putc(out, '{');
	put_text("id", s->id, out);
	put_text("when", s->when == WHEN_UNACKNOWLEDGED ? "unacknowledged" : "unresolved", out);
	put_promise("after", &s->after, out);
	put_text("to", s->to.text, out);
	buf_putc(out, '}');
}

void follow_up_put(const struct follow_up *f, struct buf *out)
{
	buf_putc(out, '{');
	put_text("name", f->id, out);
	if (f->calendar_use != CALENDAR_NONE)
		put_text("calendar", f->calendar_use == CALENDAR_OWNER ? "owner" : f->calendar->id, out);
	put_promise("acknowledge_within", &f->acknowledge_within, out);
	put_promise("resolve_within", &f->resolve_within, out);
	put_promise("warn_before", &f->warn_before, out);
	put_promise("remind_every", &f->remind_every, out);
	put_promise("close_after", &f->close_after, out);
	put_promise("expire_after", &f->expire_after, out);
	buf_printf(out, ",\"remind_at_most\":%d,\"escalate\":[", f->remind_at_most);
	for (int i = 0; i < f->n_escalate; i++) {
		if (i)
			buf_putc(out, ',');
		put_step(&f->escalate[i], out);
	}
	buf_puts(out, "]}");
}
