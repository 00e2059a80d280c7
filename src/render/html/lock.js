/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The chosen lock: facts, who blocks whom, how long waits and holds are. */

const LABEL_LINES = 25; /* height of the two lines of a label */
const PEOPLE_MOST = 5; /* on each side; the others are one */

function made_words(lock) {
	const where = lock.file ? ' at ' + base_name(lock.file) + (lock.line ? ':' + lock.line : '') : '';

	return (
		(lock.type ? lock.type + ' ' : '') +
		lock.kind +
		(lock.made_by && !['pthread', lock.kind].includes(lock.made_by)
			? ' of ' + lock.made_by
			: '') +
		(lock.module ? ' in ' + base_name(lock.module) : '') +
		where
	);
}

/* The parts of the wait: held by somebody, handed over, not known. */
function parts_words(lock) {
	const blocked = sum(lock, 'blocked_ns'),
		handoff = sum(lock, 'handoff_ns'),
		unknown = sum(lock, 'unknown_ns');

	if (!lock.cost_ns || !is_lock(lock)) return '';
	return (
		' Of the wait somebody held it for ' +
		share(blocked, lock.cost_ns) +
		', nobody for ' +
		share(handoff, lock.cost_ns) +
		(unknown > lock.cost_ns / 100 ? '; for ' + share(unknown, lock.cost_ns) + ' it is not known' : '') +
		'.'
	);
}

function facts_of(lock) {
	const held = lock.hold_ns ? lock.hold_ns.total : 0,
		acquired = lock_acquired(lock);
	const threads = Math.max(...sides(lock).map(side => side.threads || 0));
	const list = [made_words(lock) + ', used by ' + plural(threads, 'thread')];

	if (acquired)
		list.push(
			'; ',
			el('b', {}, share(sum(lock, 'contended'), acquired)),
			' of acquisitions waited'
		);
	if (held)
		list.push(
			', held ',
			el('b', {}, share(held, P.runtime_ns * lock.instances)),
			' of the time',
			lock.read ? ' for writing' : ''
		);
	list.push('.' + parts_words(lock));
	return el('p.facts', {}, list);
}

function gain_of(lock) {
	const gain = P.gains && P.gains.get(lock.id);

	if (!gain || says_nothing(gain)) return '';
	const text = change => el('b', {}, gain_text(gain[change], P.what_if));

	return el(
		'p.facts',
		{},
		P.what_if.metric === 'throughput' ? 'Throughput gained: ' : 'Run time saved: ',
		text('no_contention'),
		' without contention',
		...(P.what_if.method === 'bound'
			? ['.']
			: [', ', text('half_hold'), ' with holds half as long, ', text('no_hold'), ' with none.'])
	);
}

/* "clock_nanosleep, pause_us bank.c:32": the system call, which the C library has further names for, and its caller. */
function sleep_words(stack) {
	const list = frames(stack),
		own = list.find(f => frame_text(f, FRAME.module) !== frame_text(list[0], FRAME.module));
	const call = short_name(list[0]).replace(/^(__GI_)?(__libc_)?_*/, '');

	return own === undefined ? short_name(list[0]) : `${call}, ${short_name(own)} ${place(own)}`;
}

function asleep_of(lock) {
	const group = lock.holders.find(g => g.slept_ns && g.slept_in >= 0);

	return group && group.slept_ns > group.running_known_ns / 20
		? el(
				'p.facts',
				{},
				'Its holder slept for ',
				el('b', {}, share(group.slept_ns, group.running_known_ns)),
				' of the time, in ',
				el(
					'span.m',
					{ 'data-tip': stack_text(group.slept_in) },
					sleep_words(group.slept_in)
				),
				'.'
			)
		: '';
}

function waiting_of(lock) {
	const line = w =>
		el(
			'li',
			{ 'data-tip': stack_text(w.stack) },
			(w.thread || 'thread') +
				' ' +
				w.tid +
				' waits since ' +
				time(w.waited_ns) +
				(w.held_by ? ', held by ' + w.held_by : '')
		);

	return lock.waiting_now.length
		? el(
				'div',
				{},
				el('h3', {}, 'Waiting when it ended'),
				el(
					'ul',
					{},
					lock.waiting_now.slice(0, 8).map(line),
					lock.waiting_now.length > 8
						? el('li', {}, count(lock.waiting_now.length - 8) + ' more')
						: ''
				)
			)
		: '';
}

/* The groups of one side that a ribbon begins or ends at: the greatest, and all others as one. */
function people(groups, pairs, member, ns) {
	const total = new Map();

	for (const pair of pairs) total.set(pair[member], (total.get(pair[member]) || 0) + pair.wait_ns);
	const list = [...total].sort((a, b) => b[1] - a[1]);
	const shown = list
		.slice(0, list.length > PEOPLE_MOST + 1 ? PEOPLE_MOST : list.length)
		.map(([index, value]) => ({
			has: new Set([index]),
			value,
			group: index === null ? null : groups[index],
			words: index === null ? ['not known', ''] : stack_words(groups[index].stack),
			ns,
		}));
	const rest = list.slice(shown.length);

	if (rest.length)
		shown.push({
			has: new Set(rest.map(x => x[0])),
			value: rest.reduce((n, x) => n + x[1], 0),
			group: null,
			words: [plural(rest.length, 'other'), ''],
			ns,
		});
	return shown;
}

/* Heights in proportion to the time, and labels that keep apart. */
function layout(list, total, height) {
	const space = 3,
		usable = height - space * (list.length - 1);
	let y = 0,
		label = -LABEL_LINES;

	for (const [i, one] of list.entries()) {
		one.height = Math.max(2, (usable * one.value) / total);
		one.y = one.next = y;
		y += one.height + space;
		label = Math.max(one.y + Math.min(one.height / 2, 12) - 3, label + LABEL_LINES);
		one.label = label = Math.min(label, height - (list.length - i) * LABEL_LINES + 6);
	}
}

function ribbon(pair, from, to, total, left, right) {
	const a = (from.height * pair.wait_ns) / from.value,
		b = (to.height * pair.wait_ns) / to.value,
		half = (left + right) / 2;
	const d =
		`M${left},${from.next}C${half},${from.next} ${half},${to.next} ${right},${to.next}v${b}` +
		`C${half},${to.next + b} ${half},${from.next + a} ${left},${from.next + a}Z`;

	from.next += a;
	to.next += b;
	return svg('path', {
		class: 'ribbon',
		d,
		'data-tip':
			from.words.join('  ') +
			'\nwaited ' +
			time(pair.wait_ns) +
			' (' +
			share(pair.wait_ns, total) +
			', ' +
			count(pair.count) +
			' times)\nbecause of\n' +
			to.words.join('  '),
	});
}

function person(one, total, x, right, letters) {
	const side = right ? { x: x + 9, 'text-anchor': 'start' } : { x: x - 9, 'text-anchor': 'end' };
	const name = fit(one.words[0], letters - 9),
		percent = svg('tspan', { class: 'dim' }, share(one.value, total));
	const g = one.group,
		tip = g
			? stack_text(g.stack) +
				'\n' +
				count(g.count) +
				' times, ' +
				time(g[one.ns]) +
				(g.max_ns ? ', longest ' + time(g.max_ns) : '')
			: one.words[0];

	return svg(
		'g',
		{ 'data-tip': tip, tabindex: -1 },
		svg('rect', {
			class: right ? 'hold' : 'wait',
			x: right ? x : x - 5,
			y: one.y,
			width: 5,
			height: one.height,
		}),
		svg(
			'text',
			{ ...side, y: one.label + 10 },
			right ? [percent, '  ' + name] : [name + '  ', percent]
		),
		svg('text', { ...side, y: one.label + 22, class: 'small' }, fit(one.words[1], letters))
	);
}

function ribbons(lock, width) {
	const pairs = lock.pairs
		.filter(p => p.wait_ns)
		.slice()
		.sort((a, b) => b.wait_ns - a.wait_ns);
	const holders = lock.holders.length ? lock.holders : lock.woken_by || [];

	if (!pairs.length) return null;
	const total = pairs.reduce((n, p) => n + p.wait_ns, 0);
	const from = people(lock.waiters, pairs, 'waiter', 'wait_ns'),
		to = people(holders, pairs, 'holder', 'blocked_ns');
	const height = Math.max(70, Math.max(from.length, to.length) * LABEL_LINES + 20);
	const left = Math.round(width * 0.4),
		right = Math.round(width * 0.6),
		letters = Math.floor((left - 10) / 6.7);
	const words =
		from.map(f => f.words[0] + ' ' + share(f.value, total)).join(', ') +
		' because of ' +
		to.map(t => t.words[0] + ' ' + share(t.value, total)).join(', ');
	const image = svg('svg', {
		width,
		height: height + 4,
		viewBox: `0 -2 ${width} ${height + 4}`,
		role: 'img',
		'aria-label': 'Who waited, and because of whom: ' + words,
	});

	layout(from, total, height);
	layout(to, total, height);
	for (const pair of pairs)
		image.append(
			ribbon(
				pair,
				from.find(f => f.has.has(pair.waiter)),
				to.find(t => t.has.has(pair.holder)),
				total,
				left,
				right
			)
		);
	image.append(
		...from.map(one => person(one, total, left, false, letters)),
		...to.map(one => person(one, total, right, true, letters))
	);
	return el(
		'div',
		{},
		el(
			'div.ends',
			{},
			el('b', {}, 'who waited'),
			el('b', {}, is_lock(lock) ? 'because of whom, who held it' : 'who woke them')
		),
		image
	);
}

/* Without pairs (of old reports, or no holders known) the waiters alone. */
function waiters_list(lock) {
	const line = g =>
		el(
			'li',
			{ 'data-tip': stack_text(g.stack) },
			el('b', {}, share(g.wait_ns, lock.cost_ns)),
			' ',
			el('span.m', {}, stack_words(g.stack).join('  '))
		);

	return el('ul', {}, lock.waiters.slice(0, PEOPLE_MOST).map(line));
}

function lock_show() {
	const lock = table.selected,
		box = $('lock');

	if (!lock) {
		box.replaceChildren(el('h2', {}, 'No lock was used'));
		return;
	}
	const image = ribbons(lock, Math.max(260, box.clientWidth - 26));

	box.replaceChildren(
		el('h2', {}, el('span.m', {}, lock_name(lock))),
		compare_of(lock),
		facts_of(lock),
		gain_of(lock),
		asleep_of(lock),
		waiting_of(lock),
		el('h3', {}, lock.cost_ns ? 'Who blocks whom' : 'No thread waited for it.'),
		image || waiters_list(lock),
		histograms(lock, Math.max(260, box.clientWidth - 26))
	);
}
