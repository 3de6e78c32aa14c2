// SPDX-License-Identifier: MIT
// The REST API, with the token of this tab.

const KEY = "sbc-token";

export class Refused extends Error {}

export const token = {
	get: () => sessionStorage.getItem(KEY),
	set: (value) => sessionStorage.setItem(KEY, value),
	forget: () => sessionStorage.removeItem(KEY),
};

async function problem(response) {
	try {
		return (await response.json()).detail;
	} catch {
		return `status ${response.status}`;
	}
}

// What the path answers, as a value. Throws Refused when the token is not taken.
export async function get(path) {
	const response = await fetch(`/api/v1${path}`, {
		headers: { Authorization: `Bearer ${token.get()}` },
		cache: "no-store",
		signal: AbortSignal.timeout(10000),
	});
	if (response.status === 401 || response.status === 429) {
		throw new Refused(await problem(response));
	}
	if (!response.ok) {
		throw new Error(await problem(response));
	}
	return response.json();
}
