#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""config/schema.json and the validator, held against each other: documents are derived from the
schema (every field wrong in every way, every bound, every optional field left out), and both must
say the same of each. Usage: test_schema.py CHECK_DOCUMENT SCHEMA EXAMPLE..."""
import copy
import json
import re
import subprocess
import sys

import jsonschema

# Rules between fields and resources, which a schema cannot say.
BETWEEN = re.compile("there is no such|already the name|the same socket|the ports meet|no pair of"
                     "|same source|no gateways|not of the IP version|keys cannot pass")

SAMPLES = ["", "a", "a b", "10.0.0.1", "::1", "0.0.0.0", "10.0.0.0/8", "10.0.0.0/33x", "sip:h", "sip:",
           "sip:h:5060;transport=tcp", "sips:[2001:db8::1]", "sip:u@h", "SIP:h", "***", "*", "$1", "$x",
           "$$", "tls", "PCMU", "127.0.0.1:8080", "x" * 65, "x" * 300, "x" * 5000, "\u0001", "host.example", "application/isup",
           "multipart/mixed", "Multipart/x", "application/sdp", "application/SDP", "application/sdp2", "a/b/c",
           "a/", "/b", "a/b; c=d", "a" * 60 + "/" + "b" * 66, "a" * 60 + "/" + "b" * 67]

FULL = {
    "node": {"name": "n", "workers": 2},
    "log": {"level": "debug", "format": "json"},
    "state_dir": "s", "run_dir": "r",
    "api": {"listen": "127.0.0.1:1"},
    "process": {"user": ""},
    "relay": {"workers": 3, "fast_path": "tc", "af_xdp": "on", "io_uring": False, "certificate_s": 3600,
               "interfaces": ["eth0", "eth1"]},
    "limits": {"calls": 4, "connections": 5},
    "dns": {"servers": ["127.0.0.1:53"]},
    "provisioning": {
        "realms": [{
            "name": "a",
            "listeners": [
                {"transport": "tls", "address": "10.0.0.1", "port": 7000, "advertise": "h.example",
                 "tls_profile": "p"},
                {"transport": "udp", "address": "10.0.0.1", "port": 7000}],
            "media": {"address": "10.0.0.1", "advertise": "192.0.2.1", "port_min": 20000,
                      "port_max": 29999,
                      "more_addresses": [{"address": "10.0.0.2", "advertise": "192.0.2.2",
                                          "port_min": 20000, "port_max": 29999}]}}],
        "trunks": [{
            "name": "t", "realm": "a",
            "gateways": [{"uri": "sip:10.0.0.9", "priority": 1, "weight": 2}],
            "sources": ["10.0.0.9", "2001:db8::/32"],
            "auth": {"username": "u", "password": "p", "realm": "r"},
            "probe": {"interval_s": 1},
            "limits": {"calls": 1, "cps": 1},
            "media": {"srtp": "off", "keying": ["dtls"], "srtp_suites": ["AEAD_AES_128_GCM"],
                      "sdes_trusted": False, "sdes_pass": False, "ice": "lite", "rtcp_mux": "optional",
                      "feedback": True, "dtmf": "info", "codecs": ["PCMU"], "nat": True, "timeout_s": 5,
                      "first_timeout_s": 6, "hold_timeout_s": 7, "one_way_s": 8,
                      "timeout_action": "probe", "one_way_action": "bye"},
            "timers": {"first_response_ms": 500, "ring_s": 5},
            "failover": [503], "trust_identity": True, "bodies": ["application/isup"]}],
        "routes": [{
            "name": "r", "priority": 1,
            "match": {"trunk": "t", "realm": "a", "called": "(1)", "calling": "2"},
            "rewrite": {"called": [{"match": "(1)", "replace": "$1"}],
                        "calling": [{"match": "2", "replace": "3"}]},
            "targets": [{"trunk": "t", "priority": 1, "weight": 1}]}],
        "users": [{"name": "u", "realm": "a", "password": "p"}],
        "access_rules": [{"name": "x", "priority": 1, "realm": "a", "source": "::/0",
                          "action": "drop"}],
        "tls_profiles": [{"name": "p", "certificate": "c", "private_key": "k", "ca": "a",
                          "verify_peer": True}],
    },
}


class Program:
    """The validator, one document on a line, one list of errors back."""

    def __init__(self, path):
        self.child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def errors(self, document):
        self.child.stdin.write(json.dumps(document) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())


class Comparison:
    def __init__(self, program, schema):
        self.program = program
        self.schema = schema
        self.judge = self.validator(schema)
        self.item_judges = {name: self.validator({"$defs": schema["$defs"], **below["items"]})
                            for name, below in schema["$defs"]["provisioning"]["properties"].items()}
        self.covered = set()
        self.compared = self.refused = 0
        self.failures = []

    @staticmethod
    def validator(schema):
        return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())

    def schema_allows(self, document, path):
        """What is wrong inside a resource is wrong with that resource alone: no need to look at all."""
        if len(path) > 3 and path[0] == "provisioning":
            return self.item_judges[path[1]].is_valid(document["provisioning"][path[1]][path[2]])
        return self.judge.is_valid(document)

    def resolve(self, schema):
        while "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            schema = self.schema["$defs"][name]
        return schema

    def fail(self, what, path, value=None):
        self.failures.append(f"{what}: /{'/'.join(map(str, path))} {json.dumps(value)[:80]}")

    def compare(self, document, path, value):
        """Both say the same; a refusal names the place, or one below or above it (a transport may
        be wrong by what stands beside it)."""
        errors = self.program.errors(document)
        wrong = not self.schema_allows(document, path)
        place = "/" + "/".join(map(str, path[:-1] if path[-1:] == ["transport"] else path))
        self.compared += 1
        self.refused += wrong
        if wrong and not errors:
            self.fail("only the schema refuses", path, value)
        elif not wrong and [e for e in errors if not BETWEEN.search(e["detail"])]:
            self.fail(f"only the validator refuses ({errors[0]['detail']})", path, value)
        elif wrong and not any(e["pointer"].startswith(place) or place.startswith(e["pointer"])
                               for e in errors):
            self.fail(f"the validator points to {errors[0]['pointer']}", path, value)

    def with_value(self, path, value):
        document = copy.deepcopy(FULL)
        if not path:
            return value
        at = document
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        return document

    def try_value(self, path, value):
        self.compare(self.with_value(path, value), path, value)

    def without(self, path, key):
        document = copy.deepcopy(FULL)
        at = document
        for step in path:
            at = at[step]
        del at[key]
        self.compare(document, path + [key], "left out")

    def known_fields(self, schema, path, value):
        """The validator's own list of fields is the schema's."""
        document = self.with_value(path, {**value, "no_such_field": 1})
        place = "".join(f"/{step}" for step in path) + "/no_such_field"
        self.compare(document, path + ["no_such_field"], 1)
        error = next((e for e in self.program.errors(document) if e["pointer"] == place), None)
        if not error:
            return self.fail("an unknown field passes", path)
        known = set(error["remedy"].split("known here: ")[1].split(", "))
        if known != set(schema["properties"]):
            self.fail(f"fields differ: {sorted(known ^ set(schema['properties']))}", path)

    def walk_object(self, schema, path, value):
        self.known_fields(schema, path, value)
        for key, below in schema["properties"].items():
            if key in value:
                self.covered.add((id(schema), key))
                self.without(path, key)
                self.walk(below, path + [key], value[key])

    def walk_array(self, schema, path, value):
        self.try_value(path, [])
        if schema["maxItems"] <= 5000:
            self.try_value(path, value[:1] * (schema["maxItems"] + 1))
        for index, item in enumerate(value):
            self.walk(schema["items"], path + [index], item)

    def walk(self, schema, path, value):
        schema = self.resolve(schema)
        for other in (None, True, 5, -1, 1.5, "\u0001", [], {}, [[]], [{}]):
            if not (isinstance(other, dict) and isinstance(value, dict)):
                self.try_value(path, other)
        for word in schema.get("enum", []):
            self.try_value(path, word)
        if schema.get("type") == "object":
            self.walk_object(schema, path, value)
        elif schema.get("type") == "array":
            self.walk_array(schema, path, value)
        elif schema.get("type") == "integer":
            low, high = schema["minimum"], schema["maximum"]
            for number in (low - 1, low, high, high + 1, low + 0.5, float(low), 2**32, 2**62):
                self.try_value(path, number)
        elif isinstance(value, str):
            for sample in SAMPLES:
                self.try_value(path, sample)

    def check_coverage(self, schema, seen=None):
        """Every property of the schema stands in FULL, has a description and a place in time."""
        seen = set() if seen is None else seen
        schema = self.resolve(schema)
        if id(schema) in seen:
            return
        seen.add(id(schema))
        for key, below in schema.get("properties", {}).items():
            if (id(schema), key) not in self.covered:
                self.fail("not covered", [key])
            if "description" not in below and "description" not in self.resolve(below) and \
                    below.get("type") != "array":
                self.fail("no description", [key])
            self.check_coverage(below, seen)
        if "items" in schema:
            self.check_coverage(schema["items"], seen)

    def check_defaults(self, schema, seen=None):
        """A default in the schema is a value that the schema allows."""
        if isinstance(schema, dict):
            if "default" in schema:
                rule = {k: v for k, v in schema.items() if k != "$ref"}
                if not jsonschema.Draft202012Validator(rule).is_valid(schema["default"]):
                    self.fail("default", [], schema["default"])
            for below in schema.values():
                self.check_defaults(below)
        elif isinstance(schema, list):
            for below in schema:
                self.check_defaults(below)


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    comparison = Comparison(Program(sys.argv[1]), schema)
    comparison.judge.validate(FULL)
    if comparison.program.errors(FULL):
        comparison.fail("the full document is refused", [])
    comparison.walk(schema, [], FULL)
    comparison.check_coverage(schema)
    comparison.check_defaults(schema)
    for path in sys.argv[3:]:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"^\s*//.*$", "", file.read(), flags=re.M)
        comparison.judge.validate(json.loads(text))
    print(f"{comparison.compared} documents compared, {comparison.refused} of them wrong")
    for failure in comparison.failures[:40]:
        print(failure)
    return 1 if comparison.failures or comparison.refused < 500 else 0


if __name__ == "__main__":
    sys.exit(main())
