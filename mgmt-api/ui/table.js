// SPDX-License-Identifier: MIT
// Tables and lists of text. What comes from the network is only ever text (textContent), never
// markup. Cells are updated in place, so that a selection or a screen reader keeps its place.

function cellText(cell, text) {
	const value = text === null || text === undefined || text === "" ? "–" : String(text);
	if (cell.textContent !== value) {
		cell.textContent = value;
	}
}

// columns: [{title, value: (row) => text}]; key: (row) => what stays the same of a row.
export class Table {
	constructor(element, columns, key) {
		this.columns = columns;
		this.key = key;
		this.rows = new Map();
		const head = element.createTHead().insertRow();
		for (const column of columns) {
			const th = document.createElement("th");
			th.scope = "col";
			th.textContent = column.title;
			head.append(th);
		}
		this.body = element.createTBody();
	}

	show(items) {
		const seen = new Set();
		items.forEach((item, index) => {
			const key = this.key(item);
			let row = this.rows.get(key);
			if (!row) {
				row = document.createElement("tr");
				this.columns.forEach(() => row.append(document.createElement("td")));
				this.rows.set(key, row);
			}
			this.columns.forEach((column, at) => cellText(row.cells[at], column.value(item)));
			if (this.body.rows[index] !== row) {
				this.body.insertBefore(row, this.body.rows[index] ?? null);
			}
			seen.add(key);
		});
		for (const [key, row] of this.rows) {
			if (!seen.has(key)) {
				row.remove();
				this.rows.delete(key);
			}
		}
	}
}

// figures: [[name, value]].
export function showFigures(element, figures) {
	figures.forEach(([name, value], index) => {
		let item = element.children[index];
		if (!item) {
			item = document.createElement("div");
			item.append(document.createElement("dt"), document.createElement("dd"));
			element.append(item);
		}
		cellText(item.children[0], name);
		cellText(item.children[1], value);
	});
}
