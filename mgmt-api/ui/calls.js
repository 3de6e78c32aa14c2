// SPDX-License-Identifier: MIT
// The table of live calls, and hanging one up after a question.

import { Away, Problem, remove } from "/ui/client.js";
import { Table, make, setKind, setText } from "/ui/table.js";

const part = (id) => document.getElementById(id);
const KINDS = { routing: "fair", ringing: "fair", answered: "good", ending: "idle" };
const SIDES = ["caller", "callee"];

let skew_ms = 0; // the server's clock less ours

export function duration(ms) {
	const seconds = Math.max(0, Math.floor(ms / 1000));
	const pad = (n) => String(n).padStart(2, "0");
	const hours = Math.floor(seconds / 3600);
	return `${hours ? `${hours}:` : ""}${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

// ---- what one side sends, over all of its streams ----

function quality(call, side) {
	const streams = call.media.filter((m) => m.side === side);
	const received = streams.reduce((sum, m) => sum + m.packets_received, 0);
	const lost = streams.reduce((sum, m) => sum + Math.max(0, m.packets_lost), 0);
	const scores = streams.map((m) => m.mos).filter((mos) => mos !== null);
	return {
		received,
		codecs: streams.map((m) => m.codec ?? m.kind).filter(Boolean).join(", "),
		loss: received + lost ? 100 * lost / (received + lost) : 0,
		jitter: Math.max(0, ...streams.map((m) => m.jitter_ms)),
		mos: scores.length ? Math.min(...scores) : null,
	};
}

// The steps of ITU-T G.107 annex B, table B.1: satisfied, some dissatisfied, many dissatisfied.
function verdict(mos) {
	if (mos >= 4.03) {
		return ["good", "good"];
	}
	return mos >= 3.6 ? ["fair", "fair"] : ["bad", "poor"];
}

function fillQuality(cell, call, side) {
	const [score, more] = cell.children;
	const q = quality(call, side);
	if (q.received === 0) {
		setKind(score, call.state === "answered" ? "bad" : "idle");
		setText(score, "no media");
		setText(more, call.state === "answered" ? `nothing from the ${SIDES[side]} yet` : "–");
		return;
	}
	const [kind, word] = q.mos === null ? ["idle", ""] : verdict(q.mos);
	setKind(score, kind);
	setText(score, q.mos === null ? "media flows" : `MOS ${q.mos.toFixed(2)} ${word}`);
	setText(more, `${q.loss.toFixed(1)} % lost · ${q.jitter.toFixed(1)} ms jitter` +
		`${q.codecs ? ` · ${q.codecs}` : ""}`);
}

const audio = (side) => ({
	title: `Audio from ${SIDES[side]}`,
	make: (cell) => cell.append(make("span", "score"), make("span", "sub")),
	fill: (cell, call) => fillQuality(cell, call, side),
});

// ---- the columns ----

const party = (title, number, leg) => ({
	title,
	make: (cell) => cell.append(make("span", "number"), make("span", "sub")),
	fill: (cell, call) => {
		setText(cell.children[0], number(call));
		setText(cell.children[1], call.legs[leg]?.trunk ?? "no trunk yet");
	},
});

function fillTime(cell, call) {
	const from = Date.parse(call.answered_at ?? call.started_at);
	setText(cell.children[0], duration(Date.now() + skew_ms - from));
	setText(cell.children[1], call.answered_at ? "since the answer" : "since the start");
}

const time = {
	title: "Duration",
	make: (cell) => cell.append(make("span", "clock"), make("span", "sub")),
	fill: fillTime,
};

const columns = [
	{
		title: "State",
		make: (cell) => cell.append(make("span", "pill")),
		fill: (cell, call) => {
			setKind(cell.firstChild, KINDS[call.state] ?? "idle");
			setText(cell.firstChild, call.state);
		},
	},
	party("From", (call) => call.calling, 0),
	party("To", (call) => call.called, 1),
	time,
	audio(0),
	audio(1),
	{
		title: "Action",
		make: (cell) => {
			const button = make("button", "small", "Hang up");
			button.type = "button";
			button.addEventListener("click", () => askFirst(cell.parentElement.item));
			cell.append(button);
		},
		fill: (cell, call) => {
			const label = `Hang up the call from ${call.calling} to ${call.called}`;
			if (cell.firstChild.ariaLabel !== label) {
				cell.firstChild.ariaLabel = label;
			}
			cell.firstChild.disabled = call.state === "ending";
		},
	},
];

const table = new Table(part("calls"), part("calls-frame"), columns, (call) => call.id);

// Newest first, so that what just began is seen without scrolling.
function show(items, now) {
	const started = (call) => Date.parse(call.started_at);
	skew_ms = Date.parse(now) - Date.now();
	table.show([...items].sort((a, b) => started(b) - started(a) || (a.id < b.id ? -1 : 1)));
	if (part("hangup").open && !items.some((call) => call.id === asked.id)) {
		part("hangup").close();
		tell("That call has ended by itself.", "good");
	}
}

function tick() {
	const at = columns.indexOf(time);
	// Nobody knows whether a call of an old list is still up.
	if (part("views").className === "stale") {
		return;
	}
	for (const row of table.rows.values()) {
		fillTime(row.cells[at], row.item);
	}
}

// ---- hanging up ----

let asked = null;
let tell = () => {};
let changed = () => {};

function askFirst(call) {
	asked = call;
	setText(part("hangup-call"), `${call.calling} → ${call.called}`);
	part("hangup").showModal();
	part("hangup-no").focus();
}

async function hangUp(call) {
	try {
		await remove(`/calls/${encodeURIComponent(call.id)}`);
		tell(`Hung up: ${call.calling} → ${call.called}.`, "good");
	} catch (error) {
		if (error instanceof Problem && error.status === 404) {
			tell("That call had ended already.", "good");
		} else if (error instanceof Away) {
			tell("The call was not hung up: the API does not answer.", "bad");
		} else {
			tell(`The call was not hung up: ${error.message}`, "bad");
		}
	}
	changed();
}

part("hangup-no").addEventListener("click", () => part("hangup").close());
part("hangup-yes").addEventListener("click", () => {
	part("hangup").close();
	hangUp(asked);
});

// notice(text, kind) tells the reader; refresh() is called after a call was hung up.
export function startCalls(notice, refresh) {
	tell = notice;
	changed = refresh;
	setInterval(tick, 1000);
	return { show, close: () => part("hangup").close() };
}
