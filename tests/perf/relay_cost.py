# SPDX-License-Identifier: MIT
"""What a forwarded packet costs: every way of ours and rtpengine, plain and between RTP and SRTP. Every
packet that comes back is compared with what it must be, byte for byte."""
import resource

from relay_ways import (CANNOT, PLAIN_WAYS, SOCKETS, SRTP_WAYS, SUITES, Bare, Rtpengine,
                        cannot_be_measured)


def streams_possible(wanted):
    """Each is two sockets in the relay, and some are for itself."""
    return min(wanted, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 512) // 2 // 2 * 2)


def measure(bed, relays, streams, rate, clump, seconds, suite, report):
    """{name: row}; report(name, row) as each is there, or a text: why not."""
    results = {}
    for kind in relays:
        try:
            results[kind.name] = measure_one(bed, kind, streams, rate, clump, seconds, suite)
        except CANNOT as error:
            report(kind.name, cannot_be_measured(error))
            continue
        report(kind.name, results[kind.name])
    return results


def measure_one(bed, kind, streams, rate, clump, seconds, suite):
    relay = kind.start(bed)
    try:
        lines = relay.calls(streams // 2, suite)
        bed.warm(lines)
        row = bed.send(lines, seconds, rate, clump, relay.pid)
        relay.check()
        return row
    finally:
        relay.stop()


def report(name, row):
    if isinstance(row, str):
        print(f"  {name:28} not measured: {row}", flush=True)
        return
    lost = row["sent"] - row["received"] - row["wrong"]
    print(f"  {name:28} {row['us_per_packet']:5.2f} µs/packet (process {row['us_process']}, softirq "
          f"{row['us_softirq']}), {lost} lost and {row['wrong']} wrong of {row['sent']}"
          + (f", {row['disordered']} out of order" if row["disordered"] else ""), flush=True)


def run(bed, quick):
    results, seconds = {}, 2 if quick else 6
    streams = streams_possible(5000)
    print(f"relay, plain RTP ({streams} streams of 172-byte packets, 147000 packets/s in clumps of 32; "
          "CPU of process and receive softirq):")
    results["plain"] = measure(bed, (*PLAIN_WAYS, Bare, Rtpengine), streams, 147000, 32, seconds, None,
                               report)
    print("relay, plain RTP over sockets (1000 streams, 50000 packets/s in clumps of 1 ms):")
    results["sockets"] = measure(bed, (SOCKETS, Bare, Rtpengine), 1000, 50000, 50, seconds, None, report)
    for suite in SUITES:
        print(f"relay, RTP <-> SRTP with {suite} (1000 streams, half of them to seal and half to open, "
              "50000 packets/s in clumps of 1 ms):")
        results[suite] = measure(bed, (*SRTP_WAYS, Rtpengine), 1000, 50000, 50, seconds, suite, report)
    return results
