/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The top of the page: is locking the problem, which lock, whose code, and what would be gained. */

const WORTH_SAYING = 0.02; /* of the run time or the throughput */

const lock_words = lock => el('b', {}, lock_name(lock));

/* The lock with most of the wait. */
function first_lock() {
	return P.locks.filter(is_lock).reduce((a, b) => (!a || b.cost_ns > a.cost_ns ? b : a), undefined);
}

function verdict_deadlock() {
	const cycle = P.deadlocks[0];

	return [
		'Deadlock: ',
		el('b', {}, plural(cycle.length, 'thread')),
		' wait for each other, for ',
		...cycle.flatMap((w, i) => [i ? ' and ' : '', el('b', {}, w.name || 'the end of a thread')]),
		'.',
	];
}

function verdict() {
	if (P.deadlocks && P.deadlocks.length) return verdict_deadlock();
	const lock = first_lock(),
		part = P.thread_time_ns ? P.wait / P.thread_time_ns : 0;

	if (!lock || !P.wait)
		return [
			P.locks.length
				? 'No thread waited for a lock.'
				: 'No lock was used that mutrace can see.',
		];
	const words = [
		part < 0.01
			? 'Locks are no problem here: '
			: part < 0.1
				? 'Locks cost something: '
				: 'Locks are a problem: ',
		el('b', {}, share(P.wait, P.thread_time_ns)),
		' of the thread time was spent waiting, ',
		el('b', {}, share(lock.cost_ns, P.wait)),
		' of it for ',
		lock_words(lock),
	];
	const holder = lock.holders.find(g => g.stack >= 0);

	if (sum(lock, 'handoff_ns') > lock.cost_ns / 2)
		words.push(', mostly while nobody held it (threads that were woken did not run yet)');
	else if (holder && holder.blocked_ns > lock.cost_ns / 10)
		words.push(' because ', el('i', {}, short_name(frames(holder.stack)[0])), ' held it');
	words.push('.');
	return words;
}

const middle = range => (range[0] + range[1]) / 2;

/* The lock where a change gains most, if that is worth saying. */
function best_fix(change) {
	let found;

	for (const gain of P.what_if.locks)
		if (
			middle(gain[change]) >= WORTH_SAYING &&
			(!found || middle(gain[change]) > middle(found[change]))
		)
			found = gain;
	return found;
}

function fix_words(gain, change) {
	const lock = P.by_id.get(gain.lock),
		range = gain[change],
		w = P.what_if;
	const how = change === 'no_contention' ? 'without contention' : 'with holds half as long';
	const what = w.metric === 'throughput' ? ' of throughput' : ' less run time';
	const words = [
		'Fixing ',
		lock_words(lock),
		w.method === 'bound' || w.if_work_comes || range[1] - range[0] > 0.05 ? ' may help: ' : ' would help: ',
		how + ' ',
		el('u', {}, gain_text(range, w).replace('\u2264', 'at most') + what),
	];
	const first = first_lock(),
		other = first && first !== lock && P.gains.get(first.id);

	if (w.metric !== 'throughput' && w.method !== 'bound' && range[1] - range[0] <= 0.05)
		words.push(' (' + time((1 - middle(range)) * P.runtime_ns) + ' in all)');
	const half = w.method === 'bound' ? undefined : best_fix('half_hold');

	if (change !== 'half_hold' && half && middle(half.half_hold) > middle(range) + 0.05)
		words.push(
			', ',
			...(half === gain ? [] : [lock_words(P.by_id.get(half.lock)), ' ']),
			'with holds half as long ' + gain_text(half.half_hold, w)
		);
	if (w.if_work_comes) words.push(', if work comes as fast');
	words.push('.');
	if (other && other.no_contention[1] < WORTH_SAYING && other.half_hold[1] < WORTH_SAYING)
		words.push(' ', lock_words(first), ', with most of the wait, would not.');
	return words;
}

function gain_verdict() {
	const w = P.what_if;

	if (!w) return [];
	for (const change of w.method === 'bound' ? ['no_contention'] : ['no_contention', 'half_hold']) {
		const gain = best_fix(change);

		if (gain && says_nothing(gain)) break;
		if (gain) return fix_words(gain, change);
	}
	if (w.refused && (w.method !== 'bound' || best_fix('no_contention')))
		return ['What fixing a lock would gain is not known: ' + w.refused + '.'];
	return w.locks.length ? ['Fixing no single lock would make it much faster.'] : [];
}

/* By --after and --for, or --since and --until. */
function window_words() {
	const w = P.window,
		until = w && w.end_ns ? ' to ' + time(w.end_ns) : ' on';

	if (!w) return '';
	return (
		(w.by_events ? ' By its events, only from ' : ' Recorded from ') +
		(w.begin_ns ? time(w.begin_ns) : '0 s') +
		until +
		' after the start.'
	);
}

/* Places that are mere offsets, and what would give them names. */
function nameless_words() {
	const once = list => list.filter((x, i) => x && list.indexOf(x) === i);
	const list = D.nameless || [],
		modules = once(list.map(n => base_name(n.module))),
		packages = once(list.slice(0, 3).map(n => n.package));

	if (!list.length) return '';
	return (
		' ' +
		modules.slice(0, 3).join(', ') +
		(modules.length > 3 ? ' and ' + (modules.length - 3) + ' more' : '') +
		' gave no names, being stripped: ' +
		(packages.length ? 'install ' + packages.join(' ') + ', or use' : 'use') +
		' mutrace report --debuginfod.'
	);
}

/* A thread by the function that it begins in, if nobody named it. */
function role(name, stack) {
	const list = stack === undefined || stack < 0 ? [] : frames(stack),
		own = name && name !== base_name(P.program).slice(0, 15);

	return own || !list.length ? name || 'a thread' : short_name(list[list.length - 1]);
}

function longest_words() {
	const wait = (P.longest_waits || [])[0];

	if (!wait) return '';
	return (
		' The longest wait, ' +
		time(wait.wait_ns) +
		' by ' +
		role(wait.thread, wait.stack) +
		' for ' +
		wait_name(wait) +
		(wait.held_by ? ', held by ' + role(wait.holder, wait.held_at) : '') +
		', began at ' +
		clock(wait.start_realtime_ns) +
		'.'
	);
}

function facts() {
	const ran =
		base_name(P.program) +
		' (PID ' +
		P.pid +
		') ran ' +
		time(P.runtime_ns) +
		' with ' +
		plural(P.threads, 'thread') +
		(P.cores ? ' on ' + plural(P.cores, 'core') : '');
	const locks = P.locks.filter(is_lock),
		acquired = locks.reduce((n, l) => n + (lock_acquired(l) || 0), 0),
		unknown = locks.some(
			l => lock_acquired(l) === null
		); /* of some only those that waited are seen */

	return (
		ran +
		'; ' +
		time(P.wait).replace(/^-$/, '0 s') +
		' of ' +
		time(P.thread_time_ns) +
		' thread time waited, in ' +
		count(locks.reduce((n, l) => n + sum(l, 'contended'), 0)) +
		(unknown ? ' acquisitions.' : ' of ' + count(acquired) + ' acquisitions.') +
		(P.end === 'running' ? ' It still ran.' : P.end === 'killed' ? ' It was killed.' : '') +
		longest_words() +
		window_words()
	);
}

function process_picker() {
	const option = (process, at) =>
		el(
			'option',
			{ value: at, selected: process === P ? '' : null },
			base_name(process.program) + ' (' + process.pid + ')'
		);
	let at = 0;
	const group = run =>
		run.label
			? el(
					'optgroup',
					{ label: run.label },
					run.processes.map(p => option(p, at++))
				)
			: run.processes.map(p => option(p, at++));

	return el(
		'select',
		{ 'aria-label': 'Process', onchange: event => process_show(+event.target.value) },
		D.runs.flatMap(group)
	);
}

function theme_toggle() {
	const root = document.documentElement;
	const dark = root.dataset.theme
		? root.dataset.theme === 'dark'
		: matchMedia('(prefers-color-scheme: dark)').matches;

	root.dataset.theme = dark ? 'light' : 'dark';
	if (low.timeline) line_draw(); /* in the other colours */
}

function when() {
	const date = new Date(P.start_realtime_ns / 1e6);

	return isNaN(date) || !P.start_realtime_ns
		? ''
		: date.toISOString().slice(0, 16).replace('T', ' ') + ' UTC \u00b7 ';
}

function meta() {
	const lost = P.lost_events ? plural(P.lost_events, 'event') + ' lost' : 'nothing lost';

	return el(
		'div.meta',
		{},
		all_processes().length > 1 ? process_picker() : el('b', {}, base_name(P.program)),
		' ',
		el(
			'button',
			{ 'aria-label': 'Light or dark', title: 'Light or dark', onclick: theme_toggle },
			'\u25d0'
		),
		el('div', {}, when() + 'mutrace ' + D.mutrace),
		el('div', {}, 'cost ' + share(P.overhead_ns, P.thread_time_ns) + ' \u00b7 ' + lost)
	);
}

/* How the threads' time was spent. */
function time_bar() {
	const idle = Math.min(P.idle, Math.max(0, P.thread_time_ns - P.wait)),
		total = P.thread_time_ns || 1;
	const parts = [
		['wait', 'waiting for locks', P.wait],
		['wait2', 'waiting for work', idle],
		['line', 'all else: running, sleeping, I/O', Math.max(0, total - P.wait - idle)],
	];
	const words = parts.map(([, name, ns]) => name + ' ' + share(ns, total));

	return [
		el(
			'div.bar',
			{ role: 'img', 'aria-label': 'Thread time: ' + words.join(', ') },
			parts.slice(0, 2).map(([color, , ns], i) =>
				el('div', {
					css: {
						width: (100 * ns) / total + '%',
						background: `var(--${color})`,
					},
					'data-tip': words[i],
				})
			)
		),
		el(
			'div.key',
			{ 'aria-hidden': true },
			parts.map(([color], i) => el('span', { css: { '--c': `var(--${color})` } }, words[i]))
		),
	];
}

function head_show() {
	const compared = compare_verdict(),
		gain = compared ? [] : gain_verdict();

	$('head').replaceChildren(
		el(
			'div',
			{},
			el('h1', {}, compared || verdict()),
			gain.length ? el('p.gain', {}, gain) : '',
			el('p.sub', {}, facts(), nameless_words())
		),
		meta(),
		...time_bar()
	);
	document.title =
		base_name(P.program) +
		': ' +
		share(P.wait, P.thread_time_ns) +
		' waiting for locks - mutrace';
}
