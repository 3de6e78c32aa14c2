# SPDX-License-Identifier: MIT
"""How far a relay goes, and what it adds on the way: the highest rate without loss, and the delay of a
packet where its processor is half busy. For the rate packets come in clumps of 32; for the delay one by
one, the gaps at random, as they come from many telephones. What is printed as delay is from the sender's hands to the
receiver's: two passages of a veth pair and the receiver's wake-up are in it, for all alike."""
from relay_ways import (AF_XDP, CANNOT, NATIVE, PLAIN_WAYS, SOCKETS, SRTP_WAYS, SUITES, Bare, Rtpengine,
                        cannot_be_measured)

STREAMS, CLUMP = 1000, 32
LADDER = (50000, 75000, 100000, 125000, 150000, 200000, 250000, 300000, 350000, 400000, 500000, 600000,
          800000, 1000000)
DELAY_RATE_MAX = 200000  # one by one the load itself does no more
SUITE = next(iter(SUITES))


class Limit:
    """rate: the highest that was clean. capped: the load went no further, the relay might."""

    def __init__(self, rate, capped):
        self.rate, self.capped = rate, capped

    def __str__(self):
        return ("at least " if self.capped else "") + str(self.rate)


def is_clean(row):
    """A packet in a thousand is forgiven: others run on this machine too."""
    return row["wrong"] == 0 and row["sent"] - row["received"] <= row["sent"] / 1000


def highest(bed, lines, pid):
    """Steps are tried three times, for a loss may be of another's making."""
    best = 0
    for rate in LADDER:
        tries = (bed.send(lines, 1, rate, CLUMP, pid) for _ in range(3))
        row = next((row for row in tries if is_clean(row)), None)
        if row is None:
            return Limit(best, False)
        if row["sent"] / row["took_s"] < 0.95 * rate:
            return Limit(best, True)
        best = rate
    return Limit(best, True)


def share(row):
    """Of the relay's processor."""
    return row["us_per_packet"] * row["received"] / row["took_s"] / 1e6


def half_busy(bed, lines, pid):
    """The rate of single packets at which the relay's processor is half busy. A packet costs the less
    the more there are, so it is looked for step by step."""
    rate = 10000
    for _ in range(6):
        busy = share(bed.send(lines, 0.5, rate, 0, pid))
        if 0.45 < busy < 0.55 or (busy < 0.5 and rate == DELAY_RATE_MAX):
            break
        rate = int(min(DELAY_RATE_MAX, rate * min(4, 0.5 / max(0.01, busy))))
    return rate


def measure(bed, kind, suite, quick):
    relay = kind.start(bed)
    try:
        lines = relay.calls(STREAMS // 2, suite)
        bed.warm(lines)
        limit = None if quick else str(highest(bed, lines, relay.pid))
        row = bed.send(lines, 1 if quick else 4, half_busy(bed, lines, relay.pid), 0, relay.pid)
        relay.check()
    finally:
        relay.stop()
    return {"highest": limit, "delay": row}


def report(name, row):
    delay = row["delay"]
    print(f"  {name:28} " + (f"highest rate without loss {row['highest']} packets/s; "
                             if row["highest"] else "")
          + f"at {round(delay['sent'] / delay['took_s'])} packets/s ({round(100 * share(delay))} % of a "
          f"processor) p50 {delay['delay_us']['p50']} µs, "
          f"p99 {delay['delay_us']['p99']} µs, {delay['sent'] - delay['received']} lost and "
          f"{delay['wrong']} wrong of {delay['sent']}", flush=True)


def run(bed, quick):
    results = {}
    plain = (NATIVE, AF_XDP, SOCKETS) if quick else PLAIN_WAYS
    for suite, kinds in ((None, (*plain, Bare)), (SUITE, SRTP_WAYS)):
        print(f"relay, rate and delay ({STREAMS} streams, "
              f"{'RTP <-> SRTP with ' + suite if suite else 'plain RTP'}; delay with half a processor):")
        rows = results[suite or "plain"] = {}
        for kind in (*kinds, Rtpengine):
            try:
                rows[kind.name] = measure(bed, kind, suite, quick)
            except CANNOT as error:
                print(f"  {kind.name:28} not measured: {cannot_be_measured(error)}", flush=True)
                continue
            report(kind.name, rows[kind.name])
    return results
