/*
 * Fuzz target: any bytes as a file of the zone database.
 *
 * Must hold: it is refused or becomes a table whose transitions rise, whose offsets are those of a clock on earth, and in which
 * every moment has an hour and a day of the week.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/fuzz.h"
#include "rule/zone.h"

#define DAY_S INT64_C(86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const int64_t moments_s[] = {INT64_MIN / US_PER_S, -2208988800,         -1, 0, 1, 1816041600, 4102444800,
					    253402300799,         INT64_MAX / US_PER_S};
	struct arena *arena = arena_new(0);
	struct zone *z = NULL;

	if (zone_decode("fuzz", (const char *)data, bytes, arena, &z) == 0) {
		MUST(z->n >= 0);
		for (int i = 0; i < z->n; i++)
			MUST(i == 0 || z->at[i] >= z->at[i - 1]);
		for (int i = 0; i <= z->n; i++)
			MUST(z->offset[i] > -2 * DAY_S && z->offset[i] < 2 * DAY_S);
		for (size_t i = 0; i < ARRAY_SIZE(moments_s); i++) {
			struct zone_clock c = zone_clock(z, (struct wall_time){moments_s[i] * US_PER_S});

			MUST(c.hour >= 0 && c.hour <= 23 && c.weekday >= 1 && c.weekday <= 7);
		}
	}
	arena_free(arena);
	return 0;
}
