/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single waits: the longest ones with the time of day, and the moments that --when-waiting kept. */

/* By the clock of whoever reads the page. */
function clock(realtime_ns) {
	const date = new Date(realtime_ns / 1e6),
		two = n => String(n).padStart(2, '0');

	return (
		[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':') +
		'.' +
		String(date.getMilliseconds()).padStart(3, '0')
	);
}

const day = realtime_ns => new Date(realtime_ns / 1e6).toString();

/* The wait's lock is chosen, and the time line shows it, if there is one. */
function wait_show(wait) {
	const lock = P.by_id.get(wait.lock);

	if (P.timeline && P.timeline.slices.length) {
		low.timeline = true;
		icicle.zoom = null;
		low_show();
		line_show_wait({ begin: wait.start_ns, end: wait.start_ns + wait.wait_ns, lock: wait.lock });
	} else if (lock) {
		lock_choose(lock);
	}
}

function wait_name(wait) {
	const lock = P.by_id.get(wait.lock);

	return (lock && lock.label) || wait.name;
}

function wait_row(wait) {
	const who = (name, tid) => (name || 'thread') + ' ' + tid,
		holder = wait.held_by ? who(wait.holder, wait.held_by) : '';
	const tip =
		who(wait.thread, wait.tid) +
		' waited for ' +
		wait_name(wait) +
		(wait.gave_up ? ', and gave up' : wait.unfinished ? ', and still waits' : '') +
		' at\n' +
		stack_text(wait.stack) +
		(holder ? '\nheld by ' + holder + ' at\n' + stack_text(wait.held_at) : '') +
		'\n' +
		day(wait.start_realtime_ns);

	return el(
		'tr',
		{ 'data-tip': tip },
		el(
			'th',
			{ scope: 'row' },
			el('button.link.m', { onclick: () => wait_show(wait) }, clock(wait.start_realtime_ns))
		),
		el('td', {}, time(wait.wait_ns)),
		el('td', {}, fit(who(wait.thread, wait.tid), 15)),
		el('td', {}, fit(wait_name(wait), 18)),
		el('td', {}, fit(holder, 15) || '-')
	);
}

function longest_view() {
	return [
		el(
			'table.longest',
			{ 'aria-label': 'Longest waits' },
			el(
				'thead',
				{},
				el(
					'tr',
					{},
					['Began', 'Waited', 'Thread', 'For', 'Held by'].map(t => el('th', { scope: 'col' }, t))
				)
			),
			el('tbody', {}, P.longest_waits.map(wait_row))
		),
	];
}

/* All threads of a moment: what each did, and where. */
function moment_threads(hang) {
	const line = t =>
		el(
			'li',
			{ 'data-tip': t.stack >= 0 ? stack_text(t.stack) : null },
			(t.name || 'thread') + ' ' + t.tid + ' ',
			el('span.x', {}, t.doing || ''),
			' ',
			el('span.m', {}, t.stack >= 0 ? stack_words(t.stack).join('  ') : '')
		);

	return el(
		'details',
		{},
		el('summary', {}, plural(hang.threads.length, 'thread') + ' of that moment'),
		el('ul', {}, hang.threads.map(line))
	);
}

function moments_view() {
	const row = m => {
		const lock = P.locks.find(l => l.name === m.lock),
			thread = P.thread_list.find(t => t.tid === m.tid);

		return el(
			'li',
			{ title: day(m.realtime_ns) },
			el('b', {}, clock(m.realtime_ns)),
			' ' + ((thread && thread.name) || 'thread') + ' ' + m.tid + ' had waited ',
			el('b', {}, time(m.wait_ns)),
			' for ',
			lock ? lock_link(lock.id) : m.lock,
			m.deadlock ? el('span.tag', {}, 'deadlock') : '',
			m.hang && m.hang.threads
				? moment_threads(m.hang)
				: el('p.facts', {}, 'The process could not be looked at.')
		);
	};

	return [el('ul.cards', {}, P.moments.map(row))];
}
