/* SPDX-License-Identifier: MIT
 * The E-model, cut down to what a relay knows. All other parameters have G.107's default values, which
 * make R0 - Is = 93.2. */
#include "media-relay/rtp/rtp.h"

#define R_DEFAULT 93.2
#define G711_BPL 25.1      /* G.113 table I.3: G.711 with packet loss concealment, random loss */
#define ASSUMED_DELAY_MS 50.0 /* packetization and a short way, one direction */
#define DELAY_KNEE_MS 177.3

/* A jitter buffer holds about twice the jitter. */
static double delay_impairment(double jitter_ms)
{
	double delay_ms = ASSUMED_DELAY_MS + 2 * jitter_ms;
	double impairment = 0.024 * delay_ms;

	if (delay_ms > DELAY_KNEE_MS)
		impairment += 0.11 * (delay_ms - DELAY_KNEE_MS);
	return impairment;
}

/* G.107 B.4 */
static double mos_of(double r)
{
	if (r <= 0)
		return 1;
	if (r >= 100)
		return 4.5;
	return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
}

uint16_t rtp_mos_x100(uint64_t expected, int64_t lost, uint32_t jitter_us)
{
	double loss_percent, r, mos;

	if (expected == 0)
		return 0;
	loss_percent = lost <= 0 ? 0 : 100.0 * (double)lost / (double)expected;
	r = R_DEFAULT - delay_impairment((double)jitter_us / 1000.0) -
	    95.0 * loss_percent / (loss_percent + G711_BPL);
	mos = mos_of(r);
	if (mos < 1)
		mos = 1;
	return (uint16_t)(mos * 100 + 0.5);
}
