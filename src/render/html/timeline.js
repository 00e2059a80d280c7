/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The time line: a row for each thread with its waits (orange) and holds (blue), and arrows from what ended a
 * wait to the thread that went on. Wheel, plus, minus and dragging zoom and move; so do the arrow keys. */

const LINE_ROW = 17;
const LINE_NAMES = 118; /* pixels for the names of threads */
const LINE_AXIS = 18;
const ARROWS_MOST = 250; /* more would hide what they are about */
const SLICE_MEMBERS = 7;
const EVENT_WAIT = 1;
const EVENT_HOLD = 2;
const EVENT_WORDS = { 1: 'waits for', 2: 'holds', 6: 'waits at', 7: 'waits for the end of a thread' };

const line = { from: 0, to: 0, at: -1, hits: [] };

/* The numbers of the page as objects: the threads that have slices, and all slices. Once for each process. */
function line_read(process) {
	const t = process.timeline;

	if (!t || t.slices) return;
	t.slices = [];
	t.threads.forEach((thread, index) => {
		let begin = 0;

		for (let i = 0; i < thread.slices.length; i += SLICE_MEMBERS) {
			const [after, length, type, lock, lane, by, before] = thread.slices.slice(
				i,
				i + SLICE_MEMBERS
			);

			begin += after;
			t.slices.push({
				thread: index,
				begin,
				end: begin + length,
				type,
				lock,
				lane,
				by: by - 1,
				before,
			});
		}
	});
	const part = process.window || {};

	t.from_ns = Math.max(t.from_ns, 0, part.begin_ns || 0);
	t.end_ns = t.slices.reduce((end, s) => Math.max(end, s.end), part.end_ns || process.runtime_ns);
	t.rows = rows_of(t);
	t.longest = t.slices
		.filter(s => s.type === EVENT_WAIT && P.by_id.get(s.lock) && is_lock(P.by_id.get(s.lock)))
		.sort((a, b) => b.end - b.begin - a.end + a.begin)
		.slice(0, 20);
}

/* Where the rows of each thread begin: one that holds locks which do not nest has several. */
function rows_of(t) {
	const lanes = t.threads.map(() => 0);
	let y = LINE_AXIS;

	t.slices.forEach(s => (lanes[s.thread] = Math.max(lanes[s.thread], s.lane + 1)));
	return lanes.map(n => {
		const top = y;

		y += n * LINE_ROW;
		return n ? top : -1;
	});
}

const line_height = t => t.rows.reduce((n, y, i) => Math.max(n, y + line_lanes(t, i) * LINE_ROW), 0);

function line_lanes(t, thread) {
	const next = t.rows.slice(thread + 1).find(y => y >= 0);

	if (t.rows[thread] < 0) return 0;
	return next === undefined ? 1 : (next - t.rows[thread]) / LINE_ROW;
}

function slice_words(s) {
	const t = P.timeline,
		lock = P.by_id.get(s.lock),
		by = t.threads[s.by],
		who = x => x.name + ' ' + x.tid;

	return (
		who(t.threads[s.thread]) +
		' ' +
		(EVENT_WORDS[s.type] || '') +
		' ' +
		(lock ? lock_name(lock) : '') +
		'\nfor ' +
		time(s.end - s.begin) +
		', from ' +
		time(s.begin) +
		' after the start' +
		(by
			? '\nended by ' +
				who(by) +
				(s.before ? ', ' + time(s.before) + ' before it went on' : '')
			: '')
	);
}

const line_x = (ns, width) => LINE_NAMES + ((ns - line.from) / (line.to - line.from)) * (width - LINE_NAMES);

function line_axis(g, width, height, color) {
	const span = line.to - line.from,
		about = span / Math.max(1, (width - LINE_NAMES) / 110);
	const power = 10 ** Math.floor(Math.log10(about)),
		step = [1, 2, 5, 10].map(x => x * power).find(x => x >= about);

	g.fillStyle = color;
	g.textAlign = 'center';
	for (let at = Math.ceil(line.from / step) * step; at <= line.to; at += step) {
		const x = line_x(at, width);

		g.globalAlpha = 0.15;
		g.fillRect(x, LINE_AXIS - 3, 1, height);
		g.globalAlpha = 1;
		if (x < width - 24) g.fillText(at ? axis_time(at, step) : '0', x, 11);
	}
}

/* With as many digits as tell one mark from the next. */
function axis_time(ns, step) {
	const [unit, name] = [
		[1e9, 's'],
		[1e6, 'ms'],
		[1e3, 'us'],
		[1, 'ns'],
	].find(x => ns >= x[0]) || [1, 'ns'];

	return (ns / unit).toFixed(Math.max(0, Math.min(9, Math.ceil(Math.log10(unit / step))))) + ' ' + name;
}

function line_names(g, t, color) {
	g.fillStyle = color;
	g.textAlign = 'left';
	t.threads.forEach((thread, i) => {
		if (t.rows[i] >= 0) g.fillText(fit(thread.name + ' ' + thread.tid, 16), 0, t.rows[i] + 12);
	});
}

/* Waits for work are no contention, and pale. */
function slice_color(s, colors) {
	const lock = P.by_id.get(s.lock);

	return s.type === EVENT_HOLD ? colors.hold : lock && is_lock(lock) ? colors.wait : colors.idle;
}

/* What is in sight, as boxes; a thousand in one pixel are drawn once. */
function line_slices(g, t, width, colors) {
	const last = new Map();

	line.hits = [];
	for (const s of t.slices) {
		if (s.end < line.from || s.begin > line.to || (icicle.only && s.lock !== table.selected.id))
			continue;
		const x = Math.max(LINE_NAMES, line_x(s.begin, width)),
			right = Math.min(width, line_x(s.end, width));
		const row = s.thread * 64 + s.lane * 2 + (s.type === EVENT_WAIT ? 1 : 0),
			chosen = table.selected && s.lock === table.selected.id;

		if (right - x < 1 && last.get(row) === Math.round(x)) continue;
		last.set(row, Math.round(x));
		const y = t.rows[s.thread] + s.lane * LINE_ROW + (s.type === EVENT_WAIT ? 2 : 4);

		g.globalAlpha = chosen || !P.by_id.get(s.lock) ? 1 : 0.35;
		g.fillStyle = slice_color(s, colors);
		g.fillRect(x, y, Math.max(1, right - x), s.type === EVENT_WAIT ? 11 : 7);
		line.hits.push({ s, x, right: Math.max(x + 2, right), y });
	}
	g.globalAlpha = 1;
}

function arrow(g, x0, y0, x1, y1) {
	const angle = Math.atan2(y1 - y0, x1 - x0);

	g.beginPath();
	g.moveTo(x0, y0);
	g.lineTo(x1, y1);
	for (const turn of [-0.4, 0.4]) {
		g.moveTo(x1, y1);
		g.lineTo(x1 - 6 * Math.cos(angle + turn), y1 - 6 * Math.sin(angle + turn));
	}
	g.stroke();
}

function line_arrows(g, t, width, color) {
	const list = line.hits.filter(h => h.s.type === EVENT_WAIT && h.s.by >= 0 && t.rows[h.s.by] >= 0);
	const chosen = list.filter(h => !table.selected || h.s.lock === table.selected.id);

	if (chosen.length > ARROWS_MOST) return;
	g.strokeStyle = color;
	for (const { s, y } of chosen) {
		const x0 = line_x(s.end - s.before, width),
			x1 = line_x(s.end, width);

		if (x1 >= LINE_NAMES && x1 <= width && x0 >= LINE_NAMES)
			arrow(g, x0, t.rows[s.by] + 8, x1, y + 5);
	}
}

function line_draw() {
	const canvas = $('timeline'),
		t = P.timeline,
		style = getComputedStyle(document.documentElement);
	const ratio = devicePixelRatio || 1,
		width = canvas.clientWidth,
		height = line_height(t);
	const color = name => style.getPropertyValue('--' + name).trim(),
		g = canvas.getContext('2d');

	canvas.width = width * ratio;
	canvas.height = height * ratio;
	g.scale(ratio, ratio);
	g.font = '11px ui-monospace, "DejaVu Sans Mono", monospace';
	line_axis(g, width, height, color('dim'));
	line_names(g, t, color('ink'));
	line_slices(g, t, width, { wait: color('wait'), hold: color('hold'), idle: color('wait2') });
	line_arrows(g, t, width, color('ink'));
}

/* Never past the ends, and never closer than some nanoseconds. */
function line_view(from, to) {
	const t = P.timeline,
		span = Math.max(50, Math.min(to - from, t.end_ns - t.from_ns));

	line.from = Math.max(t.from_ns, Math.min(from, t.end_ns - span));
	line.to = line.from + span;
	line_draw();
}

function line_zoom(factor, part = 0.5) {
	const middle = line.from + (line.to - line.from) * part;

	line_view(middle - (middle - line.from) * factor, middle + (line.to - middle) * factor);
}

const line_part = event => {
	const r = $('timeline').getBoundingClientRect();

	return Math.max(0, Math.min(1, (event.clientX - r.left - LINE_NAMES) / (r.width - LINE_NAMES)));
};

function line_hit(event) {
	const r = $('timeline').getBoundingClientRect(),
		x = event.clientX - r.left,
		y = event.clientY - r.top;

	return line.hits.filter(h => x >= h.x - 1 && x <= h.right + 1 && y >= h.y - 2 && y <= h.y + 12).pop();
}

function line_key(event) {
	const step = (line.to - line.from) / 5;
	const keys = {
		ArrowLeft: () => line_view(line.from - step, line.to - step),
		ArrowRight: () => line_view(line.from + step, line.to + step),
		'+': () => line_zoom(0.5),
		'=': () => line_zoom(0.5),
		'-': () => line_zoom(2),
		Escape: () => line_view(P.timeline.from_ns, P.timeline.end_ns),
	};

	if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
	event.preventDefault();
	keys[event.key]();
}

function line_drag(event) {
	const start = { x: event.clientX, from: line.from, to: line.to },
		width = $('timeline').clientWidth - LINE_NAMES;
	let moved = false;
	const move = e => {
		const by = ((start.x - e.clientX) / width) * (start.to - start.from);

		moved = moved || Math.abs(start.x - e.clientX) > 3;
		if (moved) line_view(start.from + by, start.to + by);
	};
	const end = e => {
		const hit = moved ? null : line_hit(e);

		removeEventListener('pointermove', move);
		removeEventListener('pointerup', end);
		if (hit && P.by_id.get(hit.s.lock)) lock_choose(P.by_id.get(hit.s.lock));
	};

	addEventListener('pointermove', move);
	addEventListener('pointerup', end);
}

/* A wait with something around it, and its lock chosen. */
function line_show_wait(s) {
	const around = (s.end - s.begin) * 1.5 + 1000;

	line.from = s.begin - around;
	line.to = s.end + around;
	lock_choose(P.by_id.get(s.lock));
	line_view(line.from, line.to);
}

function longest_picker() {
	const option = (s, i) =>
		el(
			'option',
			{ value: i },
			time(s.end - s.begin) + ' at ' + time(s.begin) + ', ' + lock_name(P.by_id.get(s.lock))
		);

	return el(
		'select',
		{
			id: 'longest',
			'aria-label': 'Longest waits',
			onchange: event =>
				event.target.value !== '' &&
				line_show_wait(P.timeline.longest[+event.target.value]),
		},
		el('option', { value: '' }, 'longest waits'),
		P.timeline.longest.map(option)
	);
}

function line_words() {
	const t = P.timeline,
		missing = t.left_out ? '; ' + count(t.left_out) + ' short ones are left out' : '';

	return (
		plural(t.slices.length, 'wait and hold', 'waits and holds') +
		missing +
		(t.from_ns ? '; those before ' + time(t.from_ns) + ' were overwritten' : '') +
		'; orange: waits, pale: for work, blue: holds. Drag, wheel or + and - to zoom.'
	);
}

/* The tools and the picture; the words go where those of the icicle are. */
function line_make() {
	const t = P.timeline;
	const canvas = el('canvas', {
		id: 'timeline',
		tabindex: 0,
		role: 'img',
		'aria-label':
			'Time line of ' +
			plural(t.rows.filter(y => y >= 0).length, 'thread') +
			'. ' +
			line_words(),
		css: { height: line_height(t) + 'px' },
		onkeydown: line_key,
		onpointerdown: line_drag,
		onmousemove: event => {
			const hit = line_hit(event);

			tip_show(hit ? slice_words(hit.s) : '', event.clientX, event.clientY);
			event.stopPropagation();
		},
		onmouseleave: () => tip_show(''),
	});

	canvas.addEventListener(
		'wheel',
		event => {
			if (event.shiftKey) return;
			event.preventDefault();
			line_zoom(event.deltaY > 0 ? 1.25 : 0.8, line_part(event));
		},
		{ passive: false }
	);
	return canvas;
}
