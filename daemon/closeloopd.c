/*
 * closeloopd: arguments → settings → wiring → run → unwind. No policy here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exit.h"
#include "base/log.h"
#include "flow/company.h"
#include "flow/flow.h"
#include "page/page.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_GRACE_US (9 * US_PER_S) /* of the 10 s that SIGTERM may take */
#define STATUS_EVERY_US (15 * US_PER_S)

struct app {
	const char *path;
	struct loop *loop;
	struct flow *flow;
	struct page *page;
	struct deadline status;
	int code;
};

static void on_stop(void *arg, int signo)
{
	struct app *a = arg;

	log_info("stopping: signal %d", signo);
	systemd_stopping();
	flow_stop(a->flow, STOP_GRACE_US);
}

static void on_hang_up(void *arg, int signo)
{
	struct app *a = arg;

	flow_reload(a->flow);
}

static void on_stopped(void *arg)
{
	struct app *a = arg;

	loop_stop(a->loop);
}

static void on_unfit(void *arg, const char *why)
{
	struct app *a = arg;

	fprintf(stderr, "closeloopd: %s\n", why);
	a->code = EXIT_CONFIGURATION;
	loop_stop(a->loop);
}

static void on_status(struct deadline *d)
{
	struct app *a = container_of(d, struct app, status);
	struct buf text CLEANUP(buf_fini) = BUF_INIT(1000);

	flow_status(a->flow, &text);
	systemd_status("%s", buf_str(&text));
	deadline_arm(d, STATUS_EVERY_US);
}

static const struct page_company company = {company_settings, company_is_known, company_person, company_find,
					    company_by_login, company_count,    company_at,     company_zone};

static int app_run(struct app *a, struct live *live)
{
	struct loop *loop CLEANUP(loop_freep) = a->loop = loop_new();
	const struct flow_options flow = {loop, live, a->path, on_stopped, on_unfit, a};
	struct page_options page = {.http = &live->settings->http,
				    .conninfo = live->settings->conninfo,
				    .is_ready = company_is_ready,
				    .metrics = company_metrics,
				    .company = &company,
				    .is_pressed = company_is_pressed};
	int r;

	a->flow = page.arg = flow_new(&flow);
	r = page_new(loop, &page, &a->page);
	if (r < 0) {
		log_error("http.listen %s:%d: %s", live->settings->http.host, live->settings->http.port, strerror(-r));
		a->flow = flow_free(a->flow);
		return EXIT_CONFIGURATION;
	}
	loop_on_signal(loop, SIGTERM, on_stop, a);
	loop_on_signal(loop, SIGINT, on_stop, a);
	loop_on_signal(loop, SIGHUP, on_hang_up, a);
	systemd_watchdog_start(loop, NULL, NULL);
	systemd_ready("starting");
	deadline_init(&a->status, loop, "status", on_status);
	if (getenv("NOTIFY_SOCKET")) /* else nobody reads it, and an idle machine sleeps */
		deadline_arm(&a->status, US_PER_S);
	loop_run(loop);
	deadline_disarm(&a->status);
	a->page = page_free(a->page);
	a->flow = flow_free(a->flow);
	return a->code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check", no_argument, NULL, 'k'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char usage[] = "usage: closeloopd [-c FILE] [--check] [--version]\n";
	struct app a = {.path = SETTINGS_DEFAULT_PATH, .code = EXIT_DONE};
	bool check = false;
	struct live *live;
	int option;

	keep_memory();
	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1)
		switch (option) {
		case 'c': a.path = optarg; break;
		case 'k': check = true; break;
		case 'v': puts("closeloopd " CLOSELOOP_VERSION); return EXIT_DONE;
		case 'h': fputs(usage, stdout); return EXIT_DONE;
		default: fputs(usage, stderr); return EXIT_USAGE_ERROR;
		}
	if (optind < argc) {
		fprintf(stderr, "closeloopd: unexpected argument '%s'\n%s", argv[optind], usage);
		return EXIT_USAGE_ERROR;
	}
	live = live_load_and_tell(a.path);
	if (!live || check) {
		live_free(live);
		return live ? EXIT_DONE : EXIT_CONFIGURATION;
	}
	return app_run(&a, live);
}
