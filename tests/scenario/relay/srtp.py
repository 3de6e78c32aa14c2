# SPDX-License-Identifier: MIT
"""SRTP ends that are not ours: Debian's libsrtp2, by its C interface."""
import ctypes
import os

SUITES = {  # enum ctl_srtp_suite: bytes of key and salt, libsrtp's policies for RTP and RTCP
    1: (30, "rtp_default", "rtcp_default"),
    2: (30, "aes_cm_128_hmac_sha1_32", "rtcp_default"),
    5: (46, "aes_cm_256_hmac_sha1_80", "aes_cm_256_hmac_sha1_80"),
    6: (46, "aes_cm_256_hmac_sha1_32", "aes_cm_256_hmac_sha1_80"),
    7: (28, "aes_gcm_128_16_auth", "aes_gcm_128_16_auth"),
    8: (44, "aes_gcm_256_16_auth", "aes_gcm_256_16_auth"),
}  # AES-192 is not there: libsrtp2 derives its keys otherwise than RFC 6188
ANY_INBOUND, ANY_OUTBOUND = 2, 3


class CryptoPolicy(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in (
        "cipher_type", "cipher_key_len", "auth_type", "auth_key_len", "auth_tag_len", "sec_serv")]


class Policy(ctypes.Structure):
    _fields_ = [("ssrc_type", ctypes.c_int), ("ssrc", ctypes.c_uint), ("rtp", CryptoPolicy),
                ("rtcp", CryptoPolicy), ("key", ctypes.c_char_p), ("keys", ctypes.c_void_p),
                ("num_master_keys", ctypes.c_ulong), ("ekt", ctypes.c_void_p),
                ("window_size", ctypes.c_ulong), ("allow_repeat_tx", ctypes.c_int),
                ("enc_xtn_hdr", ctypes.c_void_p), ("enc_xtn_hdr_count", ctypes.c_int),
                ("next", ctypes.c_void_p)]


def load():
    """None: it is not installed."""
    try:
        library = ctypes.CDLL("libsrtp2.so.1")
    except OSError:
        return None
    assert library.srtp_init() == 0
    return library


LIBRARY = load()


class Session:
    """One direction."""

    def __init__(self, suite, key, kind):
        size, rtp, rtcp = SUITES[suite]
        assert len(key) == size
        self.key = ctypes.create_string_buffer(key, size)  # it may hold zeros
        policy = Policy(ssrc_type=kind, window_size=128)
        policy.key = ctypes.cast(self.key, ctypes.c_char_p)
        getattr(LIBRARY, "srtp_crypto_policy_set_" + rtp)(ctypes.byref(policy.rtp))
        getattr(LIBRARY, "srtp_crypto_policy_set_" + rtcp)(ctypes.byref(policy.rtcp))
        self.session = ctypes.c_void_p()
        assert LIBRARY.srtp_create(ctypes.byref(self.session), ctypes.byref(policy)) == 0

    def run(self, name, data):
        buffer = ctypes.create_string_buffer(data, len(data) + 64)
        size = ctypes.c_int(len(data))
        status = getattr(LIBRARY, name)(self.session, buffer, ctypes.byref(size))
        return buffer.raw[:size.value] if status == 0 else None


class Crypto:
    """Both directions of a phone: what it sends with, and what it is sent."""

    def __init__(self, suite, sends=None, hears=None):
        self.suite = suite
        self.sends = sends or os.urandom(SUITES[suite][0])
        self.hears = hears or os.urandom(SUITES[suite][0])
        self.sender = Session(suite, self.sends, ANY_OUTBOUND)
        self.receiver = Session(suite, self.hears, ANY_INBOUND)

    def security(self, receive_state=b"", send_state=b""):
        """What the relay is told."""
        return [{"receive": [{"suite": self.suite, "key": self.sends, "state": receive_state}],
                 "send": [{"suite": self.suite, "key": self.hears, "state": send_state}]}]

    def seal(self, data, control=False):
        return self.sender.run("srtp_protect_rtcp" if control else "srtp_protect", data)

    def open(self, data, control=False):
        """None: refused."""
        return self.receiver.run("srtp_unprotect_rtcp" if control else "srtp_unprotect", data)


class Plain:
    suite = 0

    @staticmethod
    def security():
        return []

    @staticmethod
    def seal(data, control=False):
        del control
        return data

    @staticmethod
    def open(data, control=False):
        del control
        return data
