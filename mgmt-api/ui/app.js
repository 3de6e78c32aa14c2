// SPDX-License-Identifier: MIT
// The first page: live calls and trunks, asked for every two seconds while the page is visible.

import { Refused, get, token } from "/ui/client.js";
import { Table, showFigures } from "/ui/table.js";

const REFRESH_MS = 2000;
const CALLS_SHOWN = 100;

const part = (id) => document.getElementById(id);

function age(iso, now) {
	if (!iso) {
		return null;
	}
	const seconds = Math.max(0, Math.floor((Date.parse(now) - Date.parse(iso)) / 1000));
	const pad = (n) => String(n).padStart(2, "0");
	const hours = Math.floor(seconds / 3600);
	return `${hours ? `${hours}:` : ""}${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

function mediaText(call) {
	return call.media
		.map((m) => `${m.codec ?? m.kind ?? "media"} ${m.side ? "B" : "A"}: ` +
			`${m.packets_received} in, ${m.packets_sent} out, ${m.packets_lost} lost, ` +
			`${Math.round(m.jitter_ms)} ms${m.mos === null ? "" : `, MOS ${m.mos}`}`)
		.join("; ");
}

let now = null;

const calls = new Table(part("calls"), [
	{ title: "State", value: (c) => c.state },
	{ title: "Calling", value: (c) => c.calling },
	{ title: "Called", value: (c) => c.called },
	{ title: "From trunk", value: (c) => c.legs[0]?.trunk },
	{ title: "To trunk", value: (c) => c.legs[1]?.trunk },
	{ title: "Since", value: (c) => age(c.started_at, now) },
	{ title: "Answered", value: (c) => age(c.answered_at, now) },
	{ title: "Media", value: mediaText },
], (c) => c.id);

const trunks = new Table(part("trunks"), [
	{ title: "Trunk", value: (t) => t.name },
	{ title: "Calls", value: (t) => t.calls },
	{ title: "Calls/s", value: (t) => t.cps },
	{
		title: "Gateways",
		value: (t) => t.gateways
			.map((g) => `${g.uri} ${g.state}${g.rtt_ms === null ? "" : ` (${g.rtt_ms} ms)`}`)
			.join("; "),
	},
], (t) => t.name);

function setState(text, kind) {
	const state = part("state");
	if (state.textContent !== text) {
		state.textContent = text;
	}
	state.className = kind;
}

function show(stats, page) {
	now = stats.now;
	part("node").textContent = stats.node;
	setState(stats.ready ? "✓ ready: calls can be taken" : "✗ not ready: see the connections below",
		stats.ready ? "good" : "bad");
	showFigures(part("figures"), [
		["Live calls", stats.calls],
		["sbcd", stats.connected.sbcd ? "✓ up" : "✗ away"],
		["media-relayd", stats.connected["media-relayd"] ? "✓ up" : "✗ away"],
		["Configuration", `version ${stats.config_version}`],
		["CDRs taken", stats.cdrs.imported],
		["CDRs missing", stats.cdrs.missing],
	]);
	calls.show(page.items);
	trunks.show(stats.trunks);
	part("calls-note").textContent = page.next
		? `The first ${page.items.length} calls; there are more.`
		: page.items.length ? "" : "No calls.";
}

function showLogin(message) {
	part("login").hidden = false;
	part("views").hidden = true;
	part("leave").hidden = true;
	part("refused").textContent = message;
	setState("not connected", "");
}

function showViews() {
	part("login").hidden = true;
	part("views").hidden = false;
	part("leave").hidden = false;
	part("refused").textContent = "";
}

async function refresh() {
	const stats = await get("/stats");
	let page = { items: [], next: null };
	if (stats.connected.sbcd) {
		page = await get(`/calls?limit=${CALLS_SHOWN}`);
	}
	showViews();
	show(stats, page);
}

let running = false;

async function turn() {
	if (running || !token.get() || document.hidden) {
		return;
	}
	running = true;
	try {
		await refresh();
	} catch (error) {
		if (error instanceof Refused) {
			token.forget();
			showLogin(`The token was refused: ${error.message}`);
		} else {
			setState(`✗ no answer: ${error.message}`, "bad");
		}
	}
	running = false;
}

part("login").addEventListener("submit", (event) => {
	event.preventDefault();
	token.set(part("token").value.trim());
	part("token").value = "";
	turn();
});
part("leave").addEventListener("click", () => {
	token.forget();
	showLogin("");
});
document.addEventListener("visibilitychange", turn);
setInterval(turn, REFRESH_MS);
turn();
