/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The data: those of the JSON report (report.schema.json), but each stack is a number. */

/* All: runs, each with a side ("base", "new") and its processes; strings, frames, stacks; a comparison, a
 * verdict. */
let D;
let P; /* the process that is shown */

const INFLATE_HERE = 1 << 20; /* data that are smaller */

const FRAME = { function: 0, short: 1, file: 2, line: 3, module: 4, inlined: 5, members: 6 };

function from_base64(text) {
	const raw = atob(text.replace(/\s/g, '')),
		bytes = new Uint8Array(raw.length);

	for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
	return bytes;
}

async function data_text() {
	const node = $('data');

	if (node.type === 'application/json') return node.textContent;
	const bytes = from_base64(node.textContent),
		size = +node.dataset.size;

	/* The browser's own is faster, but a page is printed before it has ended. */
	if (size < INFLATE_HERE || typeof DecompressionStream === 'undefined')
		return new TextDecoder().decode(new Inflater(bytes, size).run());
	return new Response(
		new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))
	).text();
}

function frame_text(frame, member) {
	return D.strings[D.frames[frame * FRAME.members + member]];
}

/* Frames of a stack, innermost first. */
function frames(stack) {
	const list = [];

	for (; stack >= 0; stack = D.stacks[2 * stack] - 1) list.push(D.stacks[2 * stack + 1]);
	return list;
}

const short_name = frame => frame_text(frame, FRAME.short);

/* "bank.c:37", or the library. */
function place(frame) {
	const file = frame_text(frame, FRAME.file),
		line = D.frames[frame * FRAME.members + FRAME.line];

	return file ? base_name(file) + (line ? ':' + line : '') : base_name(frame_text(frame, FRAME.module));
}

/* A line for each frame, with all that is known. */
function stack_text(stack) {
	const line = frame => {
		const file = frame_text(frame, FRAME.file),
			n = D.frames[frame * FRAME.members + FRAME.line];

		return (
			frame_text(frame, FRAME.function) +
			'  ' +
			(file ? file + ':' + n : frame_text(frame, FRAME.module))
		);
	};

	return stack < 0 ? '(unknown)' : frames(stack).map(line).join('\n');
}

/* The function, and in which place it was called by whom. */
function stack_words(stack) {
	if (!(stack >= 0)) return ['(unknown)', ''];
	const list = frames(stack);

	return [
		short_name(list[0]),
		place(list[0]) +
			list
				.slice(1, 4)
				.map(f => ' < ' + short_name(f))
				.join(''),
	];
}

/* Sums of both sides of a lock. */
const sides = lock => (lock.read ? [lock, lock.read] : [lock]);
const sum = (lock, member) => sides(lock).reduce((n, side) => n + (side[member] || 0), 0);
const most = (lock, member, of) =>
	Math.max(...sides(lock).map(side => (side[member] ? side[member][of] : 0)));
const lock_acquired = lock => (lock.acquired === null ? null : sum(lock, 'acquired'));
const lock_held = lock => sides(lock).reduce((n, side) => n + (side.hold_ns ? side.hold_ns.total : 0), 0);
const lock_name = lock =>
	(lock.label || lock.name) + (lock.instances > 1 ? ' \u00d7' + count(lock.instances) : '');
const is_lock = lock => lock.role !== 'work';

/* The longest wait, ended or not. */
function longest_wait(lock) {
	return Math.max(most(lock, 'wait_ns', 'max'), ...lock.waiting_now.map(w => w.waited_ns));
}

function lock_used(lock) {
	return lock_acquired(lock) || lock.cost_ns || sum(lock, 'contended') || sum(lock, 'trylock_failed');
}

/* True of a bound that allows nearly all of the run time. */
const says_nothing = gain => P.what_if.method === 'bound' && gain.no_contention[1] > 0.9;

/* What fixing a lock would gain, of the two simple changes the one that gains more; undefined: not known. A bound with
 * shorter holds says nothing of locks. */
function lock_gain(lock) {
	const gain = P.gains && P.gains.get(lock.id);

	if (!gain || says_nothing(gain)) return undefined;
	const middle = r => (r[0] + r[1]) / 2;

	return P.what_if.method !== 'bound' && lock.hold_ns && middle(gain.half_hold) > middle(gain.no_contention)
		? gain.half_hold
		: gain.no_contention;
}

/* What is used often is found once for each process. */
function process_prepare(process) {
	process.locks = (process.locks || []).filter(l => !D.kept || D.kept.has(l.identity));
	process.conditions = process.conditions || [];
	process.thread_list = process.thread_list || [];
	process.diagnoses = process.diagnoses || [];
	process.by_id = new Map(process.locks.map(l => [l.id, l]));
	process.gains = process.what_if && new Map(process.what_if.locks.map(g => [g.lock, g]));
	process.wait =
		D.kept || !process.headline
			? process.locks.filter(is_lock).reduce((n, l) => n + l.cost_ns, 0)
			: process.headline.lock_wait_ns;
	process.idle = process.thread_list.reduce((n, t) => n + t.idle_ns, 0);
}

const all_processes = () => D.runs.flatMap(run => run.processes);
