# SPDX-License-Identifier: MIT
# What scripts/run, scripts/test and scripts/bench share: where things are, and how Debian packages
# that are missing get installed. Sourced by bash; changes no setting of the sourcing shell.
# Installing never starts or enables a service: a test peer such as Kamailio must not take port 5060.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
POLICY=/usr/sbin/policy-rc.d
POLICY_SAVED=$POLICY.before-sbc

PACKAGES_BUILD="meson ninja-build pkg-config gcc libc6-dev clang libbpf-dev liburing-dev linux-libc-dev
	libssl-dev libjansson-dev
	libmicrohttpd-dev libsqlite3-dev libpcre2-dev libc-ares-dev libpcap-dev libcmocka-dev
	libsrtp2-dev
	python3 curl jq"
# Of Intel's processors and the like alone; without it SRTP goes through OpenSSL.
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then
	PACKAGES_BUILD="$PACKAGES_BUILD libipsec-mb-dev"
fi
PACKAGES_DEMO="baresip-core"
PACKAGES_TEST="clang libclang-rt-14-dev llvm sip-tester baresip-core kamailio tshark tcpdump
	iproute2 ethtool bpftool python3-jsonschema libsrtp2-1 chromium kamailio-websocket-modules linphone-cli
	rtpengine-daemon openssl gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
PACKAGES_BENCH="sip-tester kamailio rtpengine-daemon iproute2 ethtool libsrtp2-1"
# Packages of test peers that bring a service along.
PACKAGES_WITH_SERVICE="kamailio rtpengine-daemon"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "needs root or sudo for: $*"
		sudo "$@"
	fi
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {
	local package
	for package in "$@"; do
		is_installed "$package" || printf '%s ' "$package"
	done
}

# invoke-rc.d asks policy-rc.d before it starts anything: 101 is "forbidden". One that was there
# already (container images bring one) is put back afterwards, also after an interrupted run.
policy_forbid() {
	if as_root test -e "$POLICY" && ! as_root test -e "$POLICY_SAVED"; then
		as_root mv "$POLICY" "$POLICY_SAVED"
	fi
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
	as_root chmod 755 "$POLICY"
}

policy_restore() {
	if as_root test -e "$POLICY_SAVED"; then
		as_root mv "$POLICY_SAVED" "$POLICY"
	else
		as_root rm -f "$POLICY"
	fi
}

# A package's maintainer script enables its units although it may not start them. They were not
# there before, so nobody else wants them: take the links away, with or without a running systemd.
disable_services() {
	local unit name
	for unit in $(dpkg -L "$1" | grep -E '^(/usr)?/lib/systemd/system/[^/]*\.(service|socket|timer)$'); do
		name=${unit##*/}
		if command -v deb-systemd-helper >/dev/null; then
			as_root deb-systemd-helper disable "$name" >/dev/null 2>&1 || true
		fi
		if command -v systemctl >/dev/null; then
			as_root systemctl --root=/ disable "$name" >/dev/null 2>&1 || true
		fi
		as_root find /etc/systemd/system -type l -name "$name" -path '*.wants/*' -delete 2>/dev/null || true
	done
	for unit in $(dpkg -L "$1" | grep '^/etc/init.d/.'); do
		as_root update-rc.d "${unit##*/}" disable >/dev/null 2>&1 || true
	done
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
		apt-get -o DPkg::Lock::Timeout=600 -y -q --no-install-recommends install "$@"
}

# need_packages build|demo|test|bench: installs what is missing of that list, and nothing else.
need_packages() {
	local wanted missing package fresh=""
	case $1 in
	build) wanted=$PACKAGES_BUILD ;;
	demo) wanted="$PACKAGES_BUILD $PACKAGES_DEMO" ;;
	test) wanted="$PACKAGES_BUILD $PACKAGES_TEST" ;;
	bench) wanted="$PACKAGES_BUILD $PACKAGES_BENCH" ;;
	*) die "need_packages: $1 is none of build, demo, test, bench" ;;
	esac
	if ! command -v dpkg-query >/dev/null; then
		say "not a Debian system: taking for granted that these are there:" $wanted
		return 0
	fi
	# shellcheck disable=SC2086
	missing=$(missing_packages $wanted)
	[ -z "$missing" ] && return 0
	say "installing: $missing"
	for package in $PACKAGES_WITH_SERVICE; do
		is_installed "$package" || fresh="$fresh $package"
	done
	(
		trap policy_restore EXIT
		trap 'exit 130' INT TERM
		policy_forbid
		# shellcheck disable=SC2086
		apt_install $missing || {
			as_root apt-get -q update && apt_install $missing
		} || exit 1
	) >&2 || die "could not install: $missing"
	for package in $fresh; do
		if is_installed "$package"; then disable_services "$package"; fi
	done
}

# The browser phone of the tests, from npm into a folder of its own. Debian's npm is large: one that is
# there is taken. Without it, or without a network, those tests are skipped and say so.
need_node_modules() {
	local dir=$ROOT/build-node
	cmp -s "$ROOT/tests/scenario/web/package.json" "$dir/package.json" && return 0
	command -v npm >/dev/null || (apt_install npm || { as_root apt-get -q update && apt_install npm; }) >&2
	mkdir -p "$dir.new" && cp "$ROOT/tests/scenario/web/package.json" "$dir.new" &&
		npm install --prefix "$dir.new" --no-audit --no-fund --no-package-lock >&2 &&
		rm -rf "$dir" && mv "$dir.new" "$dir" || say "the browser phone could not be installed"
}

# build_in DIR [meson options…]: configures once and builds; CC is taken from the environment.
build_in() {
	local dir=$1
	shift
	if [ ! -f "$dir/build.ninja" ]; then
		meson setup "$dir" "$ROOT" "$@" >"$dir.setup.log" 2>&1 || {
			tail -40 "$dir.setup.log" >&2
			return 1
		}
		mv "$dir.setup.log" "$dir/setup.log"
	fi
	ninja -C "$dir"
}
