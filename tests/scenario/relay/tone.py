# SPDX-License-Identifier: MIT
"""A tone as G.711 carries it, and the tone found again in what was heard."""
import math

RATE = 8000


def mulaw(sample):
    sign = 0x80 if sample < 0 else 0
    sample = min(abs(sample), 32635) + 132
    exponent = sample.bit_length() - 8
    return ~(sign | exponent << 4 | sample >> (exponent + 3) & 15) & 0xff


def payloads(hz, seconds=1.0):
    """PCMU of 20 ms each."""
    samples = bytes(mulaw(int(8000 * math.sin(2 * math.pi * hz * i / RATE)))
                    for i in range(int(RATE * seconds)))
    return [samples[i:i + 160] for i in range(0, len(samples), 160)]


def linear(byte):
    byte = ~byte & 0xff
    value = ((byte & 15) * 8 + 132 << (byte >> 4 & 7)) - 132
    return -value if byte & 0x80 else value


def power(samples, rate, frequency):
    """Goertzel: the share of the signal's energy that lies at this frequency, 0 to 1."""
    total = sum(s * s for s in samples)
    if not total:
        return 0.0
    step = 2 * math.cos(2 * math.pi * frequency / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + step * last - before
    energy = before * before + last * last - step * before * last
    return 2 * energy / (total * len(samples))
