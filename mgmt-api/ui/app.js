// SPDX-License-Identifier: MIT
// The first page: what is live and what is healthy, asked for every two seconds while it is seen.

import { startCalls } from "/ui/calls.js";
import { Away, Problem, Refused, get, token } from "/ui/client.js";
import { make, setKind, setText, showList } from "/ui/table.js";
import { showTrunks } from "/ui/trunks.js";

const REFRESH_MS = 2000;
const NOTICE_MS = 8000;
const CALLS_SHOWN = 100;

const part = (id) => document.getElementById(id);

function note(id, text) {
	setText(part(id), text);
	part(id).hidden = text === "";
}

let noticeTimer = 0;

function notice(text, kind) {
	clearTimeout(noticeTimer);
	setKind(part("notice"), kind);
	note("notice", text);
	noticeTimer = setTimeout(() => note("notice", ""), NOTICE_MS);
}

function setState(text, kind) {
	setKind(part("state"), kind);
	setText(part("state"), text);
}

// ---- the figures at the top ----

function makeFigure() {
	const item = make("div", "card");
	item.append(make("dt"), make("dd"), make("dd", "sub"));
	return item;
}

function fillFigure(item, [title, value, more, kind]) {
	setText(item.children[0], title);
	setText(item.children[1], value);
	setKind(item.children[1], kind ?? "");
	setText(item.children[2], more);
}

function uptime(seconds) {
	const days = Math.floor(seconds / 86400);
	const hours = Math.floor(seconds / 3600) % 24;
	const minutes = Math.floor(seconds / 60) % 60;
	if (days) {
		return `${days} d ${hours} h`;
	}
	return hours ? `${hours} h ${minutes} min` : `${minutes} min`;
}

const UNKNOWN = "not known while sbcd is away";

function callFigure(stats, list) {
	const waiting = list?.items.filter((call) => call.answered_at === null).length;
	if (!list) {
		return ["Live calls", null, UNKNOWN];
	}
	if (list.next) {
		return ["Live calls", stats.calls, `${list.items.length} of them below`];
	}
	if (list.items.length === 0) {
		return ["Live calls", stats.calls, "waiting for the first"];
	}
	return ["Live calls", stats.calls, waiting ? `${waiting} not answered yet` : "all answered"];
}

function trunkFigure(stats) {
	const gateways = stats.trunks.flatMap((trunk) => trunk.gateways);
	const down = gateways.filter((gateway) => gateway.state === "down").length;
	if (!stats.connected.sbcd) {
		return ["Trunks", null, UNKNOWN];
	}
	return ["Trunks", stats.trunks.length, `${down || "none"} of ${gateways.length} gateways down`,
		down ? "bad" : ""];
}

function figures(stats, ready, list) {
	const away = Object.keys(ready.parts).filter((name) => !ready.parts[name]);
	return [
		callFigure(stats, list),
		trunkFigure(stats),
		["Health", away.length ? "✗ not all up" : "✓ all up",
			away.length ? `missing: ${away.join(", ")}` : "sbcd, media-relayd, mgmt-apid",
			away.length ? "bad" : "good"],
		["Configuration", `version ${stats.config_version}`,
			ready.parts.configuration ? "in force" : "not in force yet"],
		["Call records", stats.cdrs.imported, stats.cdrs.missing
			? `${stats.cdrs.missing} missing` : "none missing", stats.cdrs.missing ? "bad" : ""],
	];
}

// ---- the page ----

function showLogin(message) {
	part("login").hidden = false;
	part("views").hidden = true;
	part("leave").hidden = true;
	note("refused", message);
	part("token").ariaInvalid = message ? "true" : "false";
	note("away", "");
	note("notice", "");
	calls.close();
	setState("not connected", "idle");
	note("build", "");
	document.title = "SBC";
	part("token").focus();
}

function showViews() {
	if (!part("views").hidden) {
		return;
	}
	part("login").hidden = true;
	part("views").hidden = false;
	part("leave").hidden = false;
	part("calls-title").focus();
}

function callsNote(stats, list) {
	if (!list) {
		return "sbcd is away. Calls that were answered still have their media; they are listed here " +
			"again when it is back.";
	}
	if (list.items.length === 0) {
		return "No call is up. New ones appear here by themselves.";
	}
	return list.next ? `${list.items.length} of ${stats.calls} calls are shown.` : "";
}

function trunksNote(stats) {
	if (stats.trunks.length > 0) {
		return "";
	}
	return stats.connected.sbcd
		? "No trunk is configured yet. Provision one with PUT /api/v1/trunks/NAME."
		: "sbcd is away, and with it the states of the trunks.";
}

let updated = null;

function show(stats, ready, list) {
	updated = new Date();
	setText(part("node"), stats.node);
	note("build", `version ${stats.version} · up ${uptime(stats.uptime_s)}`);
	setState(ready.ready ? "ready for calls" : `not ready · ${ready.missing.join("; ")}`,
		ready.ready ? "good" : "bad");
	showList(part("figures"), figures(stats, ready, list), makeFigure, fillFigure);
	calls.show(list?.items ?? [], stats.now);
	note("calls-note", callsNote(stats, list));
	showTrunks(stats.trunks);
	note("trunks-note", trunksNote(stats));
	note("away", "");
	part("views").className = "";
	setText(part("updated"), `Updated at ${updated.toLocaleTimeString()}, every two seconds.`);
	document.title = stats.calls === null ? `${stats.node} – SBC`
		: `${stats.calls} ${stats.calls === 1 ? "call" : "calls"} – ${stats.node}`;
}

// null: sbcd does not answer, which /ready tells better.
async function liveCalls() {
	try {
		return await get(`/calls?limit=${CALLS_SHOWN}`);
	} catch (error) {
		if (error instanceof Problem && error.status === 503) {
			return null;
		}
		throw error;
	}
}

async function refresh() {
	const mine = token.get();
	// Alone at first: a wrong token counts once.
	const stats = await get("/stats");
	const [ready, list] = await Promise.all([get("/ready", [503]),
		stats.connected.sbcd ? liveCalls() : null]);
	// Signed out while the answers were under way.
	if (token.get() === mine) {
		showViews();
		show(stats, ready, list);
	}
}

function showAway(error) {
	const what = error instanceof Away ? "mgmt-apid does not answer."
		: `mgmt-apid answered with an error: ${error.message}.`;
	if (part("views").hidden) {
		note("refused", `${what} Trying again every two seconds.`);
		return;
	}
	setState("API away", "bad");
	note("away", `${what} What stands below is from ${updated.toLocaleTimeString()}. ` +
		"Calls go on without it; this page comes back by itself.");
	part("views").className = "stale";
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
		if (!token.get()) {
			showLogin("");
		} else if (error instanceof Refused) {
			token.forget();
			showLogin(error.message);
		} else {
			showAway(error);
		}
	}
	running = false;
}

const calls = startCalls(notice, turn);

part("login").addEventListener("submit", (event) => {
	event.preventDefault();
	token.set(part("token").value.trim());
	part("token").value = "";
	note("refused", "");
	turn();
});
part("leave").addEventListener("click", () => {
	token.forget();
	showLogin("");
});
document.addEventListener("visibilitychange", turn);
setInterval(turn, REFRESH_MS);
if (token.get()) {
	turn();
} else {
	showLogin("");
}
