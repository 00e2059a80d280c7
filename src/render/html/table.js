/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of locks, sorted by any column and filtered. Only the rows in sight are made, so it may have
 * as many as it likes. */

const ROW_HEIGHT = 25; /* as in the style */
const ROWS_AROUND = 12; /* made above and below what is in sight */
const ROWS_PRINTED = 200;
const LETTER_WIDTH = 7.3;

const table = {
	sort: 'wait',
	down: true,
	filter: '',
	list: [],
	selected: null,
	printing: false,
	letters: 28 /* of a name that there is room for */,
};

/* Work is no contention: it comes after all locks. */
const wait_key = lock => (is_lock(lock) ? lock.cost_ns : lock.cost_ns - 2 ** 60);

const COLUMNS = [
	{ id: 'name', title: 'Lock', key: lock => lock_name(lock).toLowerCase() },
	{ id: 'wait', title: 'Wait', key: wait_key },
	{
		id: 'gain',
		title: 'Gain',
		key: lock => (lock_gain(lock) ? middle(lock_gain(lock)) : -9),
		hint: 'what a run without contention, or with holds half as long, would gain',
		text: lock => (lock_gain(lock) ? gain_text(lock_gain(lock), P.what_if) : '-'),
	},
	{ id: 'contended', title: 'Contended', key: lock => sum(lock, 'contended'), number: count },
	{
		id: 'acquired',
		title: 'Acquired',
		key: lock => lock_acquired(lock) ?? -1,
		text: lock => count(lock_acquired(lock)),
	},
	{
		id: 'p99',
		title: 'p99',
		hint: '99 of 100 waits were no longer',
		key: lock => most(lock, 'wait_ns', 'p99'),
		number: time,
	},
	{ id: 'max', title: 'Max wait', key: longest_wait, number: time },
	{
		id: 'avg',
		title: 'Avg held',
		key: lock => (lock_acquired(lock) ? lock_held(lock) / lock_acquired(lock) : 0),
		number: time,
	},
	{ id: 'held', title: 'Max held', key: lock => most(lock, 'hold_ns', 'max'), number: time },
];

const columns = () => COLUMNS.filter(c => c.id !== 'gain' || (P.gains && P.gains.size));

function matches(lock) {
	const words = table.filter.toLowerCase().split(/\s+/);
	const text = (
		lock_name(lock) +
		' ' +
		lock.name +
		' ' +
		lock.identity +
		' ' +
		lock.kind +
		' ' +
		lock.made_by
	).toLowerCase();

	return words.every(word => text.includes(word));
}

function table_sort() {
	const key = COLUMNS.find(c => c.id === table.sort).key,
		sign = table.down ? -1 : 1;

	table.list = P.locks
		.filter(lock => lock_used(lock) && matches(lock))
		.map(lock => [key(lock), lock])
		.sort((a, b) => (a[0] < b[0] ? -sign : a[0] > b[0] ? sign : a[1].rank - b[1].rank))
		.map(pair => pair[1]);
}

function wait_cell(lock) {
	const part = P.wait && is_lock(lock) ? (100 * lock.cost_ns) / P.wait : 0;

	return el(
		'td',
		{},
		el(
			'div.share',
			{},
			el('div', { css: { width: part + '%' } }),
			el('span', {}, time(lock.cost_ns))
		)
	);
}

function cell(column, lock) {
	if (column.id === 'wait') return wait_cell(lock);
	const text = column.text
		? column.text(lock)
		: column.key(lock)
			? column.number(column.key(lock))
			: '-';

	return el('td.c-' + column.id + (text === '-' ? '.none' : ''), {}, text);
}

function name_cell(lock) {
	const name = lock_name(lock),
		kind = name.startsWith(lock.kind + ' in ') ? lock.kind.length + 1 : 0;
	const tags = (lock.kind !== 'mutex' ? lock.kind.length + 2 : 0) + (is_lock(lock) ? 0 : 6);

	return el(
		'th',
		{ scope: 'row' },
		el(
			'span.m',
			{},
			kind ? el('span.x', {}, 'in ') : '',
			fit(name.slice(kind && kind + 3), table.letters - tags - (kind && 3))
		),
		lock.kind !== 'mutex' ? el('span.tag', {}, lock.kind) : '',
		is_lock(lock) ? '' : el('span.tag', {}, 'work')
	);
}

function table_row(lock, at) {
	const chosen = lock === table.selected;

	return el(
		'tr',
		{
			'aria-selected': chosen,
			'aria-rowindex': at + 2,
			tabindex: chosen ? 0 : -1,
			'data-at': at,
			title: lock_name(lock) + '\n' + lock.identity,
			onclick: () => lock_choose(lock),
		},
		name_cell(lock),
		columns()
			.slice(1)
			.map(column => cell(column, lock))
	);
}

const spacer = height =>
	el('tr.spacer', { 'aria-hidden': true }, el('td', { css: { height: height + 'px' } }));

/* How many letters of a name there is room for. */
function letters_changed(body) {
	const box = body.querySelector('th'),
		room = box ? Math.max(12, Math.floor((box.clientWidth - 10) / LETTER_WIDTH)) : table.letters;

	if (table.printing || room === table.letters) return false;
	table.letters = room;
	return true;
}

/* Makes the rows that are in sight. */
function rows_show(again) {
	const box = $('rows'),
		body = $('lock-rows'),
		n = table.list.length;
	let first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - ROWS_AROUND);
	let end = Math.min(n, Math.ceil((box.scrollTop + box.clientHeight) / ROW_HEIGHT) + ROWS_AROUND);

	if (table.printing) {
		first = 0;
		end = Math.min(n, ROWS_PRINTED);
	}
	const focused = document.activeElement && document.activeElement.dataset.at;

	body.replaceChildren(
		spacer(first * ROW_HEIGHT),
		...table.list.slice(first, end).map((l, i) => table_row(l, first + i)),
		spacer(table.printing ? 0 : (n - end) * ROW_HEIGHT)
	);
	if (again !== true && letters_changed(body)) return rows_show(true);
	if (focused !== undefined) {
		const row = body.querySelector(`[data-at="${focused}"]`);

		if (row) row.focus({ preventScroll: true });
	}
	if (!body.querySelector('[tabindex="0"]') && body.querySelector('[data-at]'))
		body.querySelector('[data-at]').tabIndex = 0; /* the table can always be reached */
}

function sort_by(id) {
	table.down = table.sort === id ? !table.down : id !== 'name';
	table.sort = id;
	table_show();
	$('sort-' + id).focus();
}

function title_cell(column) {
	const sorted = table.sort === column.id ? (table.down ? 'descending' : 'ascending') : null;

	return el(
		'th.c-' + column.id,
		{ scope: 'col', 'aria-sort': sorted },
		el(
			'button',
			{ id: 'sort-' + column.id, title: column.hint, onclick: () => sort_by(column.id) },
			column.title
		)
	);
}

/* Into sight, and chosen. */
function row_go(at) {
	const box = $('rows'),
		top = at * ROW_HEIGHT,
		head = ROW_HEIGHT;

	if (at < 0 || at >= table.list.length) return;
	if (top < box.scrollTop) box.scrollTop = top;
	else if (top + head + ROW_HEIGHT > box.scrollTop + box.clientHeight)
		box.scrollTop = top + head + ROW_HEIGHT - box.clientHeight;
	lock_choose(table.list[at]);
	const row = $('lock-rows').querySelector(`[data-at="${at}"]`);

	if (row) row.focus({ preventScroll: true });
}

function table_key(event) {
	const row = event.target.closest('tr[data-at]'),
		page = Math.max(1, Math.floor($('rows').clientHeight / ROW_HEIGHT) - 1);
	const at = row ? +row.dataset.at : -1,
		last = table.list.length - 1;
	const to = {
		ArrowDown: at + 1,
		ArrowUp: at - 1,
		Home: 0,
		End: last,
		PageDown: Math.min(at + page, last),
		PageUp: Math.max(at - page, 0),
		Enter: at,
		' ': at,
	}[event.key];

	if (!row || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
	event.preventDefault();
	row_go(to);
}

function count_words() {
	const all = P.locks.filter(lock_used).length,
		n = table.list.length;

	return n === all
		? plural(all, 'lock') + '; bars are shares of all waits'
		: count(n) + ' of ' + plural(all, 'lock');
}

/* Titles and rows; the filter stays as it is, so that it keeps the focus. */
function table_show() {
	table_sort();
	$('lock-count').textContent = count_words();
	$('lock-titles').replaceChildren(...columns().map(title_cell));
	$('lock-table').classList.toggle('gains', columns().length === COLUMNS.length);
	$('lock-table').setAttribute('aria-rowcount', table.list.length + 1);
	$('rows').scrollTop = 0;
	rows_show();
}

function table_make() {
	const filter = el('input', {
		type: 'search',
		id: 'filter',
		placeholder: 'filter  ( / )',
		value: table.filter,
		'aria-label': 'Filter locks by name, kind, maker',
		oninput: event => {
			table.filter = event.target.value;
			table_show();
		},
	});

	return [
		el(
			'div.tools',
			{},
			el('h2', {}, 'Locks ', el('span.sub', { id: 'lock-count', role: 'status' })),
			filter
		),
		el(
			'div.scroll',
			{ id: 'rows', onscroll: rows_show },
			el(
				'table',
				{ id: 'lock-table', 'aria-label': 'Locks', onkeydown: table_key },
				el('thead', {}, el('tr', { id: 'lock-titles' })),
				el('tbody', { id: 'lock-rows' })
			)
		),
	];
}

function lock_choose(lock) {
	table.selected = lock;
	rows_show();
	lock_show();
	if (icicle.only || low.timeline) low_lock_changed();
	hash_write();
}
