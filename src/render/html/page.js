/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page as a whole: its panels, the process that is shown, keys. The last of the files: it begins. */

const low = { timeline: false };

const tool = (id, text, pressed, go) => el('button', { id, 'aria-pressed': pressed, onclick: go }, text);

/* A tool that is on or off, and keeps the focus. */
function toggle(id, text, on, change) {
	return tool(id, text, !!on, () => {
		change();
		icicle.zoom = null;
		low_show();
		$(id).focus();
	});
}

function search_box() {
	const search = event => {
		icicle.search = event.target.value.toLowerCase();
		$('low-box').replaceChildren(icicle_make($('low-box').clientWidth));
	};

	return el('input', {
		type: 'search',
		id: 'search',
		placeholder: 'search',
		value: icicle.search,
		oninput: search,
		'aria-label': 'Search in stacks',
	});
}

function low_tools() {
	const only = toggle('only', 'only the chosen lock', icicle.only, () => {
		icicle.only = !icicle.only && table.selected !== null;
	});

	if (low.timeline)
		return [
			only,
			tool('closer', '+', null, () => line_zoom(0.5)),
			tool('farther', '\u2212', null, () => line_zoom(2)),
			tool('whole', 'whole', null, () => line_view(P.timeline.from_ns, P.timeline.end_ns)),
			longest_picker(),
		];
	return [
		only,
		D.runs.some(run => run.side === 'base') &&
			toggle(
				'compare',
				'before and after',
				icicle.compare,
				() => (icicle.compare = !icicle.compare)
			),
		icicle.zoom && tool('whole', 'whole', null, () => icicle_zoom(null)),
		search_box(),
	];
}

function low_view(id) {
	low.timeline = id === 'timeline';
	if (!low.timeline) icicle.view = id;
	icicle.zoom = null;
	low_show();
}

/* Another lock is the chosen one. */
function low_lock_changed() {
	if (low.timeline) line_draw();
	else low_show();
}

/* The panel of stacks and of the time line. */
function low_show() {
	const views = Object.entries(ICICLE_VIEWS).map(([id, view]) => [id, view.title]);

	line_read(P);
	if (P.timeline && P.timeline.slices.length) views.push(['timeline', 'Time line']);
	else low.timeline = false;
	const view = low.timeline ? 'timeline' : icicle.view;

	$('low').replaceChildren(
		el(
			'div.tools',
			{},
			tabs('Stacks and time line', views, view, low_view, 'low-box'),
			low_tools()
		),
		el('p.sub', { id: 'icicle-words', role: 'status' }),
		el('div.scroll', { id: 'low-box', role: 'tabpanel', 'aria-labelledby': 'tab-' + view })
	);
	$('low-box').append(low.timeline ? line_make() : icicle_make($('low-box').clientWidth));
	if (low.timeline) {
		$('icicle-words').textContent = line_words();
		line_draw();
	}
}

/* The address keeps process and lock, for a link to what is shown. */
function hash_write() {
	const at = all_processes().indexOf(P),
		id = table.selected ? '&lock=' + table.selected.id : '';

	try {
		history.replaceState(null, '', '#process=' + at + id);
	} catch (e) {
		/* some browsers refuse it for files */
	}
}

function process_show(at, lock_id) {
	P = all_processes()[at];
	table.filter = '';
	icicle.zoom = null;
	line_read(P);
	line.from = P.timeline ? P.timeline.from_ns : 0;
	line.to = P.timeline ? Math.max(P.timeline.end_ns, line.from + 1) : 0;
	table.selected = P.by_id.get(lock_id) || first_lock() || P.locks[0] || null;
	head_show();
	$('locks').replaceChildren(...table_make());
	table_show();
	lock_show();
	low_show();
	side_show();
}

function panels_make() {
	const panel = (id, label) => el('section', { id, 'aria-label': label });

	$('page').replaceWith(
		el('header', { id: 'head' }),
		el(
			'main',
			{},
			panel('locks', 'Locks'),
			panel('lock', 'The chosen lock'),
			panel('low', 'Stacks'),
			panel('side', 'Threads and findings')
		),
		el('div', { id: 'tip', role: 'tooltip', hidden: '' })
	);
}

function keys_start() {
	document.addEventListener('keydown', event => {
		if (
			event.key === '/' &&
			event.target.tagName !== 'INPUT' &&
			!event.ctrlKey &&
			!event.metaKey
		) {
			event.preventDefault();
			$('filter').focus();
		} else if (event.key === 'Escape' && event.target.id === 'filter') {
			event.target.value = table.filter = '';
			table_show();
		}
	});
	let width = innerWidth;

	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', low_show);
	addEventListener('resize', () => {
		rows_show();
		if (innerWidth === width) return;
		width = innerWidth;
		lock_show();
		low_show();
	});
	for (const [name, on] of [
		['beforeprint', true],
		['afterprint', false],
	])
		addEventListener(name, () => {
			const theme = document.documentElement.dataset;

			if (on && theme.theme) theme.kept = theme.theme;
			if (theme.kept) theme.theme = on ? 'light' : theme.kept; /* paper is light */
			document.documentElement.classList.toggle('paper', on);
			table.printing = on;
			rows_show();
			lock_show();
			low_show();
		});
}

function start(text) {
	D = JSON.parse(text);
	const hash = location.hash.match(/process=(\d+)(?:&lock=(\d+))?/) || [],
		wanted = +hash[1] || 0;

	D.runs = D.runs || [];
	D.kept = D.kept && new Set(D.kept);
	all_processes().forEach(process_prepare);
	if (!all_processes().length) {
		$('page').replaceWith(el('header', {}, el('h1', {}, 'Nothing was recorded.')));
		$('text').open = true;
		return;
	}
	icicle.compare = !!D.comparison && D.runs.some(run => run.side === 'base');
	panels_make();
	tips_start();
	keys_start();
	const news = D.runs.findIndex(run => run.side === 'new');
	const first = D.runs.slice(0, Math.max(0, news)).reduce((n, run) => n + run.processes.length, 0);
	const busiest = all_processes().reduce(
		(a, p, i, all) => (i < first ? a : a < 0 || p.wait > all[a].wait ? i : a),
		-1
	);

	process_show(
		hash[1] !== undefined && all_processes()[wanted] ? wanted : Math.max(0, busiest),
		+hash[2]
	);
	document.documentElement.dataset.ready = '1';
}

data_text()
	.then(start)
	.catch(error => {
		document.body.prepend(
			el(
				'p',
				{ role: 'alert' },
				'The data of this page cannot be shown: ' +
					error.message +
					'. The text below says the same.'
			)
		);
		$('text').open = true;
	});
