/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The panel beside the stacks: threads, diagnoses, what fixing a lock would gain, condition variables. */

const THREADS_MOST = 200;

const side = { view: '' }; /* at first the first one */

function thread_tip(t) {
	return [
		t.name || 'thread',
		t.entry ? 'begins in ' + t.entry : '',
		'lived ' + time(t.lifetime_ns) + (t.cpu_ns ? ', ran ' + time(t.cpu_ns) : ''),
		'waited for locks ' +
			time(t.wait_ns) +
			' (' +
			share(t.wait_ns, t.lifetime_ns) +
			' of its life), for work ' +
			time(t.idle_ns),
		'made others wait ' + time(t.blocked_ns),
	]
		.filter(Boolean)
		.join('\n');
}

function thread_name(t) {
	return (
		(t.name || 'thread') +
		(t.tid ? ' ' + t.tid : '') +
		(t.threads > 1 ? ' \u00d7' + count(t.threads) : '')
	);
}

function thread_row(t, greatest) {
	const bar = (kind, ns) => el('div.' + kind, { css: { width: (100 * ns) / greatest + '%' } });

	return el(
		'tr',
		{ 'data-tip': thread_tip(t) },
		el(
			'th',
			{ scope: 'row' },
			el('span.m', {}, thread_name(t)),
			t.entry ? el('span.x', {}, ' ' + t.entry) : ''
		),
		el('td.wide', {}, el('div.life', {}, bar('a', t.wait_ns), bar('b', t.blocked_ns))),
		el('td', {}, time(t.wait_ns)),
		el('td', {}, time(t.blocked_ns))
	);
}

function threads_view() {
	const list = P.thread_list
		.filter(t => t.wait_ns || t.blocked_ns)
		.sort((a, b) => b.wait_ns + b.blocked_ns - a.wait_ns - a.blocked_ns);
	const greatest = Math.max(1, ...list.map(t => Math.max(t.wait_ns, t.blocked_ns)));
	const others = P.thread_list.length - list.length + Math.max(0, list.length - THREADS_MOST);

	return [
		el(
			'table.threads',
			{ 'aria-label': 'Threads' },
			el(
				'thead',
				{},
				el(
					'tr',
					{},
					el('th', { scope: 'col' }, 'Thread'),
					el('td.wide'),
					el('th.waits', { scope: 'col' }, 'waited'),
					el('th.holds', { scope: 'col' }, 'made wait')
				)
			),
			el(
				'tbody',
				{},
				list.slice(0, THREADS_MOST).map(t => thread_row(t, greatest))
			)
		),
		others
			? el(
					'p.facts',
					{},
					(list.length
						? plural(others, 'more thread')
						: plural(others, 'thread')) +
						(list.length > THREADS_MOST ? ' did less.' : ' did neither.')
				)
			: '',
	];
}

function lock_link(id) {
	const lock = P.by_id.get(id);

	return lock ? el('button.link.m', { onclick: () => lock_choose(lock) }, lock_name(lock)) : '';
}

function diagnoses_view() {
	return [
		el(
			'ul.cards',
			{},
			P.diagnoses.map(d =>
				el(
					'li',
					{},
					el('span.tag', {}, d.kind),
					' ',
					d.text,
					el('div', {}, d.locks.slice(0, 6).map(lock_link))
				)
			)
		),
	];
}

function gain_row(gain) {
	const lock = P.by_id.get(gain.lock);

	return (
		lock &&
		el(
			'tr',
			{},
			el('th', { scope: 'row' }, lock_link(gain.lock)),
			['no_contention', 'half_hold', 'no_hold'].map(change =>
				el('td', {}, gain_text(gain[change], P.what_if))
			)
		)
	);
}

/* Threads end when the chain of those that waited for each other has ended: what this chain consists of. */
function path_view() {
	const p = P.critical_path;

	if (!p) return '';
	const part = ns => share(ns, p.length_ns);
	const known = stack => stack !== null && stack >= 0;
	const row = hold =>
		el(
			'tr',
			{ 'data-tip': known(hold.stack) ? stack_text(hold.stack) : null },
			el('th', { scope: 'row' }, lock_link(hold.lock) || 'no lock'),
			el('td', {}, part(hold.ns)),
			el('td', {}, known(hold.stack) ? short_name(frames(hold.stack)[0]) : '')
		);
	const words =
		`Critical path: ${part(p.held_ns)} with a lock, ` +
		`${part(p.running_ns)} without, ${part(p.waking_ns)} waking up.`;

	return el(
		'div',
		{},
		el('p.facts', {}, words),
		el('table', { 'aria-label': 'Critical path' }, el('tbody', {}, p.holds.slice(0, 8).map(row)))
	);
}

function gains_view() {
	const w = P.what_if,
		list = w.locks.slice().sort((a, b) => middle(b.no_contention) - middle(a.no_contention));
	const how =
		w.method === 'bound'
			? 'Bounds by counters'
			: 'Estimates by replaying the events' +
				(w.replay_error >= 0
					? '; the unchanged replay is off by ' + share(w.replay_error, 1)
					: '') +
				(w.window_ns ? '; of the last ' + time(w.window_ns) : '');

	return [
		el(
			'p.facts',
			{},
			(w.metric === 'throughput'
				? 'Throughput that is gained'
				: 'Part of the run time that is saved') +
				' if a lock is changed. ' +
				how +
				'.'
		),
		w.refused ? el('p.facts', {}, 'Not known better: ' + w.refused + '.') : '',
		list.length
			? el(
					'table',
					{ 'aria-label': 'What fixing a lock gains' },
					el(
						'thead',
						{},
						el(
							'tr',
							{},
							[
								'Lock',
								'no contention',
								'half holds',
								'no holds',
							].map(t => el('th', { scope: 'col' }, t))
						)
					),
					el('tbody', {}, list.map(gain_row))
				)
			: '',
		path_view(),
	];
}

function work_rows() {
	const row = (lock, waits, ns, max, title) =>
		el(
			'tr',
			{ title },
			el(
				'th',
				{ scope: 'row' },
				el('span.m', {}, lock_name(lock)),
				el('span.tag', {}, lock.kind || (lock.role === 'lock' ? 'contention' : 'condition'))
			),
			el('td', {}, count(waits)),
			el('td', {}, time(ns)),
			el('td', {}, time(max))
		);
	const conditions = P.conditions
		.filter(c => c.waits || c.waiting)
		.map(c => [c.wait_ns.total, row(c, c.waits, c.wait_ns.total, c.wait_ns.max, c.identity)]);
	const work = P.locks
		.filter(l => !is_lock(l) && l.cost_ns)
		.map(l => [l.cost_ns, row(l, sum(l, 'waits'), l.cost_ns, longest_wait(l), l.identity)]);

	return [...conditions, ...work]
		.sort((a, b) => b[0] - a[0])
		.slice(0, 300)
		.map(pair => pair[1]);
}

function work_view() {
	return [
		el(
			'p.facts',
			{},
			'Waits for work: no contention, threads have nothing to do. ' +
				'Conditions by which locks are built are marked: waits for them are contention.'
		),
		el(
			'table',
			{ 'aria-label': 'Waits for work' },
			el(
				'thead',
				{},
				el(
					'tr',
					{},
					['Condition or semaphore', 'Waits', 'Wait', 'Max wait'].map(t =>
						el('th', { scope: 'col' }, t)
					)
				)
			),
			el('tbody', {}, work_rows())
		),
	];
}

function side_views() {
	const list = [['threads', 'Threads', threads_view]];

	if (P.diagnoses.length) list.push(['diagnoses', 'Diagnoses ' + P.diagnoses.length, diagnoses_view]);
	if (P.what_if) list.push(['gains', 'What if', gains_view]);
	if (P.conditions.some(c => c.waits || c.waiting) || P.locks.some(l => !is_lock(l) && l.cost_ns))
		list.push(['work', 'Waits for work', work_view]);
	if (P.longest_waits && P.longest_waits.length) list.push(['waits', 'Longest waits', longest_view]);
	if (P.moments && P.moments.length) list.push(['moments', 'Moments ' + P.moments.length, moments_view]);
	return [...compare_views(), ...list];
}

function side_show() {
	const views = side_views(),
		view = views.find(v => v[0] === side.view) || views[0];

	$('side').replaceChildren(
		tabs(
			'Threads and findings',
			views,
			view[0],
			id => {
				side.view = id;
				side_show();
			},
			'side-body'
		),
		el(
			'div.scroll',
			{
				id: 'side-body',
				role: 'tabpanel',
				tabindex: 0,
				'aria-labelledby': 'tab-' + view[0],
			},
			view[2]()
		)
	);
}
