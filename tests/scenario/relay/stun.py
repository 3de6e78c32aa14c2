# SPDX-License-Identifier: MIT
"""STUN as RFC 8489 has it, for checks as RFC 8445 wants them: written from the RFCs, so that the relay's
codec is not its own judge."""
import hashlib
import hmac
import ipaddress
import os
import struct
import zlib

COOKIE = 0x2112A442
REQUEST, INDICATION, SUCCESS, ERROR = 0x0001, 0x0011, 0x0101, 0x0111
USERNAME, INTEGRITY, ERROR_CODE, UNKNOWN, MAPPED = 0x06, 0x08, 0x09, 0x0a, 0x20
PRIORITY, USE_CANDIDATE, FINGERPRINT = 0x24, 0x25, 0x8028
CONTROLLED, CONTROLLING = 0x8029, 0x802a


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def head(kind, size, transaction):
    return struct.pack(">HHI", kind, size, COOKIE) + transaction


def build(kind, attributes, password=None, transaction=None, fingerprint=True):
    transaction = transaction or os.urandom(12)
    body = b"".join(attribute(*it) for it in attributes)
    if password is not None:
        digest = hmac.new(password, head(kind, len(body) + 24, transaction) + body, hashlib.sha1)
        body += attribute(INTEGRITY, digest.digest())
    if fingerprint:
        crc = zlib.crc32(head(kind, len(body) + 8, transaction) + body) ^ 0x5354554E
        body += attribute(FINGERPRINT, struct.pack(">I", crc))
    return head(kind, len(body), transaction) + body


def check(username, password, nominate=False, role=CONTROLLING, more=(), **options):
    attributes = [(USERNAME, username.encode()), (PRIORITY, struct.pack(">I", 0x6e0001ff)),
                  (role, os.urandom(8))] + list(more)
    if nominate:
        attributes.append((USE_CANDIDATE, b""))
    return build(REQUEST, attributes, password.encode(), **options)


def parse(data, password):
    """(type, transaction, {attribute: value}); both check values must be there and right."""
    kind, size, cookie = struct.unpack_from(">HHI", data)
    assert cookie == COOKIE and size == len(data) - 20 and size % 4 == 0
    transaction, found, at = data[8:20], {}, 20
    while at < len(data):
        number, length = struct.unpack_from(">HH", data, at)
        value = data[at + 4:at + 4 + length]
        if number == INTEGRITY:
            covered = head(kind, at + 4, transaction) + data[20:at]
            assert hmac.new(password.encode(), covered, hashlib.sha1).digest() == value
        if number == FINGERPRINT:
            assert at + 8 == len(data)
            assert zlib.crc32(data[:at]) ^ 0x5354554E == struct.unpack(">I", value)[0]
        found[number] = value
        at += 4 + length + (-length % 4)
    assert INTEGRITY in found and FINGERPRINT in found
    return kind, transaction, found


def mapped(found, transaction):
    family, port = struct.unpack_from(">xBH", found[MAPPED])
    mask = struct.pack(">I", COOKIE) + transaction
    raw = bytes(a ^ b for a, b in zip(found[MAPPED][4:], mask))
    assert family == (1 if len(raw) == 4 else 2)
    return str(ipaddress.ip_address(raw)), port ^ (COOKIE >> 16)


def error(found):
    return found[ERROR_CODE][2] * 100 + found[ERROR_CODE][3]
