// SPDX-License-Identifier: MIT
// A phone: it registers, calls or answers, sends a tone instead of a voice, and says what it hears.
const phone = { registered: false, state: "idle", cause: null, session: null };
const sound = new AudioContext({ sampleRate: 48000 });

function tone(hertz) {
	const oscillator = new OscillatorNode(sound, { frequency: hertz });
	const out = sound.createMediaStreamDestination();
	oscillator.connect(new GainNode(sound, { gain: 0.5 })).connect(out);
	oscillator.start();
	return out.stream;
}

function listen(stream) {
	document.querySelector("#far").srcObject = stream;
	phone.ear = new AnalyserNode(sound, { fftSize: 8192, smoothingTimeConstant: 0 });
	sound.createMediaStreamSource(stream).connect(phone.ear);
}

function follow(session) {
	phone.session = session;
	phone.state = "ringing";
	const hear = (connection) => connection.addEventListener("track",
		(event) => listen(event.streams[0] ?? new MediaStream([event.track])));
	if (session.connection)
		hear(session.connection);
	else
		session.on("peerconnection", (event) => hear(event.peerconnection));
	session.on("confirmed", () => { phone.state = "up"; });
	session.on("ended", (event) => { phone.state = "ended"; phone.cause = event.cause; });
	session.on("failed", (event) => { phone.state = "failed"; phone.cause = event.cause; });
}

phone.start = (where, uri, hertz) => {
	phone.stream = tone(hertz);
	phone.ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(where)], uri, register: true,
				  session_timers: false });
	phone.ua.on("registered", () => { phone.registered = true; });
	phone.ua.on("registrationFailed", (event) => { phone.cause = event.cause; });
	phone.ua.on("newRTCSession", ({ originator, session }) => {
		follow(session);
		if (originator === "remote")
			session.answer({ mediaStream: phone.stream, pcConfig: {} });
	});
	phone.ua.start();
};

phone.call = (target) => {
	phone.ua.call(target, { mediaStream: phone.stream, pcConfig: {},
				mediaConstraints: { audio: true, video: false } });
};

phone.hangUp = () => phone.session.terminate();

// The strongest frequency of what is heard now.
phone.hears = () => {
	const bins = new Float32Array(phone.ear.frequencyBinCount);
	phone.ear.getFloatFrequencyData(bins);
	const loudest = bins.indexOf(Math.max(...bins));
	return { hertz: loudest * sound.sampleRate / phone.ear.fftSize, decibels: bins[loudest] };
};

phone.stats = async () => {
	const found = {};
	for (const it of (await phone.session.connection.getStats()).values())
		if (["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "transport"].includes(it.type))
			found[it.type] = it;
	return found;
};
