/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of mutrace diff and check: what changed, which limits are broken. A report has nothing of this. */

const FIGURES = [
	['wait-share', 'wait, of the thread time', share_of],
	['wait-total', 'wait', time],
	['wait-p99', 'p99 of waits', time],
	['wait-max', 'longest wait', time],
	['hold-p50', 'median hold', time],
	['hold-max', 'longest hold', time],
	['contended-share', 'contended', share_of],
	['acquired', 'acquired', count],
];

function share_of(part) {
	return share(part, 1);
}

function changes(what) {
	return D.comparison ? D.comparison.locks.filter(l => l.change === what) : [];
}

/* The name for people, which the runs have. */
function change_name(one) {
	const lock = all_processes()
		.flatMap(p => p.locks)
		.find(l => l.identity === one.identity);

	return lock ? lock_name(lock) : one.name;
}

function names_of(list) {
	return list
		.slice(0, 3)
		.flatMap((l, i) => [i ? ', ' : '', el('b', {}, change_name(l))])
		.concat(list.length > 3 ? ' and ' + plural(list.length - 3, 'other') : '');
}

function check_verdict() {
	const v = D.verdict,
		over = v.findings ? v.findings.filter(f => f.verdict === 'over') : [];
	const locks = [
		...new Map(over.map(f => [f.identity, { name: f.name || 'all locks together' }])).values(),
	];

	if (v.verdict === 'in-order') return ['In order: no figure is over its limit.'];
	if (v.verdict === 'too-noisy')
		return ['Too noisy to judge: what is over its limit may be due to lost processors.'];
	return [
		'Over: ',
		el('b', {}, plural(over.length, 'figure')),
		over.length === 1 ? ' is over its limit, of ' : ' are over their limits, of ',
		...names_of(locks),
		'.',
	];
}

/* What the top of the page says; undefined of a report. */
function compare_verdict() {
	if (D.verdict) return check_verdict();
	if (!D.comparison) return undefined;
	const parts = [
		['worse', 'Worse: '],
		['better', 'Better: '],
		['new', 'New: '],
		['gone', 'Gone: '],
	]
		.filter(([what]) => changes(what).length)
		.map(([what, words]) => [words, ...names_of(changes(what))]);

	return parts.length
		? parts.flatMap((p, i) => [i ? '; ' : '', ...p]).concat('.')
		: ['Nothing changed beyond chance.'];
}

function figure_rows(one) {
	const show = (x, text) => (x === undefined || x === null ? '-' : text(x).replace(/^-$/, '0'));

	return FIGURES.filter(([name]) => one.figures[name]).map(([name, title, text]) =>
		el(
			'tr',
			{},
			el('th', { scope: 'row' }, title),
			el('td', {}, show(one.figures[name].base, text)),
			el(
				'td' + (one.because.includes(name) ? '.' + one.change : ''),
				{},
				show(one.figures[name].new, text)
			)
		)
	);
}

/* Before and after of the chosen lock. */
function compare_of(lock) {
	const one = D.comparison && D.comparison.locks.find(l => l.identity === lock.identity);

	return one
		? el(
				'table.figures',
				{ 'aria-label': 'Before and after' },
				el(
					'thead',
					{},
					el(
						'tr',
						{},
						['', 'before', 'after'].map(t =>
							el('th', { scope: 'col' }, t)
						)
					)
				),
				el('tbody', {}, figure_rows(one))
			)
		: '';
}

function change_row(one) {
	const lock = P.locks.find(l => l.identity === one.identity),
		name = change_name(one);
	const cells = (figure, text) =>
		['base', 'new'].map(when => {
			const value = one.figures[figure] && one.figures[figure][when];

			return el(
				'td',
				{},
				value === undefined || value === null ? '-' : text(value).replace(/^-$/, '0')
			);
		});

	return el(
		'tr',
		{ title: one.identity },
		el(
			'th',
			{ scope: 'row' },
			lock
				? el('button.link.m', { onclick: () => lock_choose(lock) }, name)
				: el('span.m', {}, name)
		),
		el('td.' + one.change, {}, one.change),
		cells('wait-total', time),
		cells('wait-share', share_of)
	);
}

function changes_view() {
	const list = D.comparison.locks;

	return [
		el(
			'table',
			{ 'aria-label': 'Changes' },
			el(
				'thead',
				{},
				el(
					'tr',
					{},
					['Lock', '', 'wait before', 'after', 'share before', 'after'].map(t =>
						el('th', { scope: 'col' }, t)
					)
				)
			),
			el('tbody', {}, list.slice(0, 300).map(change_row))
		),
		list.length > 300 ? el('p.facts', {}, plural(list.length - 300, 'more lock') + '.') : '',
	];
}

function finding_row(f) {
	const lock = P.locks.find(l => l.identity === f.identity),
		name = f.name || 'all locks together';
	const text = x =>
		x === undefined
			? '-'
			: f.unit === 'ns'
				? time(x).replace(/^-$/, '0')
				: f.unit === 'share'
					? share(x, 1)
					: count(x);

	return el(
		'tr',
		{ title: f.stack || '' },
		el(
			'th',
			{ scope: 'row' },
			lock
				? el('button.link.m', { onclick: () => lock_choose(lock) }, name)
				: el('span.m', {}, name)
		),
		el('td', {}, f.figure),
		el('td.worse', {}, text(f.value)),
		el('td', {}, text(f.limit)),
		el('td', {}, text(f.base))
	);
}

function findings_view() {
	return [
		D.verdict.trouble ? el('p', {}, D.verdict.trouble) : '',
		el(
			'table',
			{ 'aria-label': 'Over the limit' },
			el(
				'thead',
				{},
				el(
					'tr',
					{},
					['Lock', 'figure', 'value', 'limit', 'baseline'].map(t =>
						el('th', { scope: 'col' }, t)
					)
				)
			),
			el('tbody', {}, (D.verdict.findings || []).map(finding_row))
		),
	];
}

function compare_views() {
	const list = [];

	if (D.verdict)
		list.push(['findings', 'Over the limit ' + (D.verdict.findings || []).length, findings_view]);
	if (D.comparison) list.push(['changes', 'Changes', changes_view]);
	return list;
}
