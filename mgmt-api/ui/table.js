// SPDX-License-Identifier: MIT
// Elements, texts, and tables of both. What comes from the network is only ever text (textContent),
// never markup. All is updated in place: focus, a selection, a screen reader keep their place.

export function make(tag, className = "", text = "") {
	const element = document.createElement(tag);
	element.className = className;
	element.textContent = text;
	return element;
}

export function setText(element, text) {
	const value = text === null || text === undefined || text === "" ? "–" : String(text);
	if (element.textContent !== value) {
		element.textContent = value;
	}
}

// kind: what the style sheet colours it by.
export function setKind(element, kind) {
	if (element.dataset.kind !== kind) {
		element.dataset.kind = kind;
	}
}

// As many children as items, each filled with its item; make: a new child.
export function showList(parent, items, makeChild, fill) {
	while (parent.children.length > items.length) {
		parent.lastElementChild.remove();
	}
	while (parent.children.length < items.length) {
		parent.append(makeChild());
	}
	items.forEach((item, at) => fill(parent.children[at], item));
}

export class Table {
	// columns: [{title, make(cell), fill(cell, item)}]; key(item): what stays the same of a row;
	// frame: where the focus goes when the row that has it leaves.
	constructor(element, frame, columns, key) {
		Object.assign(this, { element, frame, columns, key, rows: new Map() });
		// A narrow window shows rows as cards; the roles keep it a table for a screen reader.
		element.role = "table";
		const head = element.createTHead();
		head.role = "rowgroup";
		const row = head.insertRow();
		row.role = "row";
		for (const column of columns) {
			const th = make("th", "", column.title);
			th.scope = "col";
			th.role = "columnheader";
			row.append(th);
		}
		this.body = element.createTBody();
		this.body.role = "rowgroup";
	}

	makeRow() {
		const row = make("tr");
		row.role = "row";
		for (const column of this.columns) {
			const cell = row.insertCell();
			cell.role = "cell";
			cell.dataset.title = column.title;
			column.make?.(cell);
		}
		return row;
	}

	fill(row, item) {
		row.item = item;
		this.columns.forEach((column, at) => column.fill(row.cells[at], item));
	}

	show(items) {
		const keys = new Set(items.map(this.key));
		for (const [key, row] of this.rows) {
			if (!keys.has(key)) {
				if (row.contains(document.activeElement)) {
					this.frame.focus();
				}
				row.remove();
				this.rows.delete(key);
			}
		}
		items.forEach((item, index) => {
			const key = this.key(item);
			const row = this.rows.get(key) ?? this.makeRow();
			this.rows.set(key, row);
			this.fill(row, item);
			// Only a row in the wrong place is moved: moving takes its focus away.
			if (this.body.rows[index] !== row) {
				this.body.insertBefore(row, this.body.rows[index] ?? null);
			}
		});
		this.element.hidden = items.length === 0;
	}
}
