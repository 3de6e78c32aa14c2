// SPDX-License-Identifier: MIT
// The table of trunks, with the state of each gateway.

import { Table, make, setKind, setText, showList } from "/ui/table.js";

const part = (id) => document.getElementById(id);
const KINDS = { up: "good", busy: "fair", down: "bad" };

function makeGateway() {
	const item = make("li");
	item.append(make("span", "pill"), make("span", "uri"), make("span", "sub"));
	return item;
}

function fillGateway(item, gateway) {
	const [state, uri, more] = item.children;
	const known = [];
	if (gateway.rtt_ms !== null) {
		known.push(`${gateway.rtt_ms.toFixed(1)} ms`);
	}
	if (gateway.last_code !== null) {
		known.push(`last answer ${gateway.last_code}`);
	}
	setKind(state, KINDS[gateway.state] ?? "idle");
	setText(state, gateway.state);
	setText(uri, gateway.uri);
	setText(more, known.join(" · "));
	more.hidden = known.length === 0;
}

const number = (title, value) => ({
	title,
	make: (cell) => cell.classList.add("figure"),
	fill: (cell, trunk) => setText(cell, value(trunk)),
});

const table = new Table(part("trunks"), part("trunks-frame"), [
	{
		title: "Trunk",
		make: (cell) => cell.classList.add("number"),
		fill: (cell, trunk) => setText(cell, trunk.name),
	},
	number("Live calls", (trunk) => trunk.calls),
	number("New calls/s", (trunk) => trunk.cps),
	{
		title: "Gateways",
		make: (cell) => cell.append(make("ul", "gateways"), make("span", "sub", "none")),
		fill: (cell, trunk) => {
			showList(cell.firstChild, trunk.gateways, makeGateway, fillGateway);
			cell.lastChild.hidden = trunk.gateways.length > 0;
		},
	},
], (trunk) => trunk.name);

export function showTrunks(trunks) {
	table.show(trunks);
}
