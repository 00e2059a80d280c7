/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers and names in words, as the text report has them. */

function time(ns) {
	if (!ns) return '-';
	const [unit, name] = [
		[1e9, 's'],
		[1e6, 'ms'],
		[1e3, 'us'],
	].find(x => ns >= x[0]) || [1, 'ns'];
	const value = ns / unit,
		digits = unit === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;

	return value.toFixed(digits) + '\u00a0' + name;
}

function count(n) {
	return n === null || n === undefined
		? '?'
		: String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/* What is not nothing never reads as nothing, nor what is not all as all. */
function share(part, whole) {
	const percent = whole ? (100 * part) / whole : 0;

	if (percent <= 0) return '0\u00a0%';
	if (percent < 0.1) return '<0.1\u00a0%';
	if (percent > 99 && percent < 100) return '>99\u00a0%';
	return (percent >= 10 ? percent.toFixed(0) : percent.toFixed(1)) + '\u00a0%';
}

function plural(n, one, many) {
	return count(n) + ' ' + (n === 1 ? one : many || one + 's');
}

function base_name(path) {
	return path ? path.replace(/^.*\//, '') : '';
}

/*
 * Shortened from the inside: what tells things apart, a method, a caller, an offset or a number, stands at the end. A
 * library goes first, "f (libx.so+0x12)", "f (libx.so)", then the name of the source file.
 */
function fit(text, length) {
	if (text.length <= length) return text;
	const times = (/ \u00d7\S+$/.exec(text) || [''])[0];

	if (times) return fit(text.slice(0, -times.length), length - times.length) + times;
	let short = text.replace(/\([^()\s]*?(\.so[.\d]*|)(\+0x[0-9a-f]+)?\)/g, (all, so, offset) =>
		so || offset ? '(\u2026' + (offset || '') + ')' : all
	);

	if (short.length > length) short = short.replace(/ [\w.-]+\.\w+(:\d+)/g, '$1');
	if (short.length <= length) return short;
	const ends = /(::~?\w+(:\d+| \(\S*\))?| < [^<]+| at 0x[0-9a-f]+|\+0x[0-9a-f]+\)?|[ :]\d+)$/;
	const end = (ends.exec(short) || [''])[0],
		kept = Math.min(end.length, Math.floor(0.7 * length));

	return short.slice(0, Math.max(1, length - kept - 1)) + '\u2026' + short.slice(short.length - kept);
}

/* "20 %", "0..20 %", "<= 20 %" */
function gain_text(range, what_if) {
	const whole = x => Math.round(100 * x);
	const [low, high] = range,
		sign = what_if.metric === 'throughput' && high > 0 ? '+' : '';

	if (what_if.method === 'bound') return '\u2264\u00a0' + whole(high) + '\u00a0%';
	if (what_if.if_work_comes && high > 0) return '\u2264\u00a0+' + whole(high) + '\u00a0%';
	if (high - low > 0.05) return sign + whole(low) + '..' + whole(high) + '\u00a0%';
	return sign + whole((low + high) / 2) + '\u00a0%';
}
