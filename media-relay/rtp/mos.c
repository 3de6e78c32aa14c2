/* SPDX-License-Identifier: MIT
 * The E-model of G.107 (06/2015), whole but for what a relay cannot know: loudness, noise, echo and
 * room have the default values of its table 2. The symbols are the recommendation's. */
#include "media-relay/rtp/rtp.h"

#include <math.h>

/* G.107 table 2 */
#define SLR 8.0
#define RLR 2.0
#define OLR (SLR + RLR)
#define STMR 15.0
#define LSTR 18.0
#define DS 3.0
#define TELR 65.0
#define WEPL 110.0
#define QDU 1.0
#define NC (-70.0)
#define NFOR (-64.0)
#define PS 35.0
#define PR 35.0

#define PACKET_MS 20.0        /* speech that a packet has to wait for */
#define BUFFER_LEAST_MS 20.0  /* a receiver's buffer holds a packet, whatever the jitter */
#define LOSS_MAX_PERCENT 100.0

/* G.113 appendix I, table I.1 (Ie) and I.3 (Bpl). G.107 has no scale above G.711's: wideband codecs
 * are rated as that, with the loss robustness that is known of them. What G.113 does not list is put
 * beside its nearest kin: iLBC and Speex beside GSM-EFR, Opus beside G.711 with concealment. */
static const struct {
	double ie;
	double bpl;
} codecs[] = {
	[CTL_CODEC_OTHER] = { 0, 25.1 },
	[CTL_CODEC_G711] = { 0, 25.1 },   /* with packet loss concealment */
	[CTL_CODEC_G722] = { 0, 13.0 },
	[CTL_CODEC_G729] = { 11, 19.0 },  /* G.729A with VAD */
	[CTL_CODEC_G723] = { 15, 16.1 },  /* 6.3 kbit/s with VAD */
	[CTL_CODEC_G726] = { 7, 25.1 },   /* 32 kbit/s */
	[CTL_CODEC_GSM] = { 20, 10.0 },   /* full rate; Bpl as of EFR */
	[CTL_CODEC_ILBC] = { 10, 34.0 },
	[CTL_CODEC_AMR] = { 5, 10.0 },    /* 12.2 kbit/s: GSM-EFR */
	[CTL_CODEC_AMR_WB] = { 0, 10.0 },
	[CTL_CODEC_OPUS] = { 0, 25.1 },
	[CTL_CODEC_SPEEX] = { 10, 10.0 },
};

static double power_sum(double a, double b, double c, double d)
{
	return 10 * log10(pow(10, a / 10) + pow(10, b / 10) + pow(10, c / 10) + pow(10, d / 10));
}

/* 7.2.1 (7-3): all circuit and room noise, at the 0 dBr point. */
static double noise(void)
{
	double pre = PR + 10 * log10(1 + pow(10, (10 - LSTR) / 10));
	double nos = PS - SLR - DS - 100 + 0.004 * pow(PS - OLR - DS - 14, 2);
	double nor = RLR - 121 + pre + 0.008 * pow(pre - 35, 2);

	return power_sum(NC, nos, nor, NFOR + RLR);
}

/* 7.3: what goes along with the voice (too loud, sidetone, quantizing). */
static double simultaneous(double ro, double no)
{
	double xolr = OLR + 0.2 * (64 + no - RLR);
	double iolr = 20 * (pow(1 + pow(xolr / 8, 8), 1.0 / 8) - xolr / 8);
	double stmro = -10 * log10(pow(10, -STMR / 10) + pow(10, -TELR / 10));
	double ist = 12 * pow(1 + pow((stmro - 13) / 6, 8), 1.0 / 8) -
		     28 * pow(1 + pow((stmro + 1) / 19.4, 35), 1.0 / 35) -
		     13 * pow(1 + pow((stmro - 3) / 33, 13), 1.0 / 13) + 29;
	double q = 37 - 15 * log10(QDU);
	double g = 1.07 + 0.258 * q + 0.0602 * q * q;
	double y = (ro - 100) / 15 + 46 / 8.4 - g / 9;
	double z = 46.0 / 30 - g / 40;
	double iq = 15 * log10(1 + pow(10, y) + pow(10, z));

	return iolr + ist + iq;
}

/* 7.4: talker echo, listener echo, and the delay alone. The echo's way is the whole way. */
static double delayed(double ro, double no, double delay_ms)
{
	double t = delay_ms;
	double terv = TELR - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t * t);
	double roe = -1.5 * (no - RLR);
	double re = 80 + 2.5 * (terv - 14);
	double idte = ((roe - re) / 2 + sqrt(pow(roe - re, 2) / 4 + 100) - 1) * (1 - exp(-t));
	double rle = 10.5 * (WEPL + 7) * pow(2 * t + 1, -0.25);
	double idle = (ro - rle) / 2 + sqrt(pow(ro - rle, 2) / 4 + 169);
	double x = t > 100 ? log2(t / 100) : 0;
	double idd = t > 100 ? 25 * (pow(1 + pow(x, 6), 1.0 / 6) -
				     3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2) :
			       0;

	return idte + idle + idd;
}

double rtp_emodel(double delay_ms, double ie, double bpl, double loss_percent)
{
	double no = noise();
	double ro = 15 - 1.5 * (SLR + no);
	double ie_eff = ie + (95 - ie) * loss_percent / (loss_percent + bpl); /* BurstR 1 */

	return ro - simultaneous(ro, no) - delayed(ro, no, delay_ms) - ie_eff;
}

double rtp_rating(const struct rtp_quality *quality)
{
	double loss_percent = 100 * quality->loss;
	double buffer_ms = 2 * quality->jitter_ms;

	if (loss_percent > LOSS_MAX_PERCENT)
		loss_percent = LOSS_MAX_PERCENT;
	if (buffer_ms < BUFFER_LEAST_MS)
		buffer_ms = BUFFER_LEAST_MS;
	return rtp_emodel(quality->delay_ms + PACKET_MS + buffer_ms, codecs[quality->codec].ie,
			  codecs[quality->codec].bpl, loss_percent);
}

/* B.4. It dips below 1 for small R, which is meant to be 1. */
uint16_t rtp_mos_x100(double rating)
{
	double mos = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6;

	if (rating <= 0 || mos < 1)
		return 100;
	if (rating >= 100)
		return 450;
	return (uint16_t)(mos * 100 + 0.5);
}
