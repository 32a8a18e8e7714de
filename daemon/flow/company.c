/*
 * The directory of the live configuration; see company.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/company.h"

#include "flow/inner.h"

static const struct directory *directory_of(void *flow)
{
	return ((struct flow *)flow)->live->directory;
}

const struct settings *company_settings(void *flow)
{
	return ((struct flow *)flow)->live->settings;
}

bool company_is_known(void *flow)
{
	return directory_of(flow) != NULL;
}

const struct person *company_person(void *flow, const char *id)
{
	return directory_of(flow) ? directory_person(directory_of(flow), id) : NULL;
}

const struct person *company_find(void *flow, const char *id_or_address)
{
	return directory_of(flow) ? directory_find(directory_of(flow), id_or_address) : NULL;
}

const struct person *company_by_login(void *flow, const char *login)
{
	for (int i = 0; i < company_count(flow); i++)
		if (str_eq(company_at(flow, i)->login, login))
			return company_at(flow, i);
	return NULL;
}

int company_count(void *flow)
{
	return directory_of(flow) ? directory_count(directory_of(flow)) : 0;
}

const struct person *company_at(void *flow, int i)
{
	return directory_at(directory_of(flow), i);
}

const char *company_zone(void *flow, const struct person *p)
{
	return directory_zone(directory_of(flow), p);
}

bool company_is_pressed(void *flow)
{
	const struct flow *f = flow;

	return !intake_run_is_idle(&f->intake) || f->courier.busy;
}

bool company_is_ready(void *flow, const char **ret_why)
{
	return flow_is_ready(flow, ret_why);
}

void company_metrics(void *flow, struct buf *out)
{
	flow_metrics(flow, out);
}
