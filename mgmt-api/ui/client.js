// SPDX-License-Identifier: MIT
// The REST API, with the token of this tab.

const KEY = "sbc-token";
const WAIT_MS = 10000;

// The token was not taken.
export class Refused extends Error {}
// The API said no; status tells why.
export class Problem extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}
// The API cannot be reached.
export class Away extends Error {}

export const token = {
	get: () => sessionStorage.getItem(KEY),
	set: (value) => sessionStorage.setItem(KEY, value),
	forget: () => sessionStorage.removeItem(KEY),
};

async function ask(method, path) {
	try {
		return await fetch(`/api/v1${path}`, {
			method,
			headers: { Authorization: `Bearer ${token.get()}` },
			cache: "no-store",
			signal: AbortSignal.timeout(WAIT_MS),
		});
	} catch (error) {
		// A header cannot carry every character that a hand can type.
		if (error instanceof TypeError && /[^\x21-\x7e]/.test(token.get())) {
			throw new Refused("A token has no spaces, accents or signs of other scripts.");
		}
		throw new Away(error.message);
	}
}

async function problem(response) {
	try {
		return (await response.json()).detail;
	} catch {
		return `status ${response.status}`;
	}
}

async function answer(method, path, taken) {
	const response = await ask(method, path);
	if (response.status === 401) {
		throw new Refused("This token is not known here. Was it copied whole? It begins with sbc_.");
	}
	if (response.status === 429) {
		throw new Refused("Too many wrong tokens came from this address. Please wait " +
			`${response.headers.get("Retry-After") ?? "some"} seconds and try again.`);
	}
	if (!response.ok && !taken.includes(response.status)) {
		throw new Problem(response.status, await problem(response));
	}
	return response.status === 204 ? null : response.json();
}

// What the path answers, as a value; taken: statuses that are an answer too.
export const get = (path, taken = []) => answer("GET", path, taken);
export const remove = (path) => answer("DELETE", path, []);
