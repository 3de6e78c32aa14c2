// SPDX-License-Identifier: MIT
// CommonJS as far as the phone's library needs it. `sources` (path to text) and `packages` (name to the
// path of its main file) stand before this.
const loaded = {};

function resolve(from, name) {
	if (!name.startsWith("."))
		return packages[name];
	const path = new URL(name, `http://x/${from}`).pathname.slice(1);
	return [path, `${path}.js`, `${path}/index.js`].find((it) => it in sources);
}

function load(path) {
	if (loaded[path])
		return loaded[path].exports;
	const module = loaded[path] = { exports: {} };
	if (path.endsWith(".json"))
		module.exports = JSON.parse(sources[path]);
	else
		new Function("require", "module", "exports", "process", sources[path])(
			(name) => load(resolve(path, name)), module, module.exports, { env: {} });
	return module.exports;
}

globalThis.JsSIP = load(packages.jssip);
