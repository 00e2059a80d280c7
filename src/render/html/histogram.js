/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waits and holds by length, on one axis: two histograms side by side that begin and end at the same
 * times. */

const HISTOGRAM_HEIGHT = 58;

/* Both sides of a lock as one: [from which time on, waits, holds] for each bucket. */
function buckets_of(lock) {
	const all = new Map();

	for (const side of sides(lock)) {
		const h = side.histogram;

		if (!h) continue;
		h.bounds_ns.forEach((from, i) => {
			const b = all.get(from) || [from, 0, 0];

			b[1] += h.wait[i];
			b[2] += h.hold ? h.hold[i] : 0;
			all.set(from, b);
		});
	}
	return [...all.values()].sort((a, b) => a[0] - b[0]);
}

/* Names of times below the axis, where there is room for them. */
function axis(list, width, bar) {
	const marks = [];
	let last = -99;

	for (const [ns, text] of [
		[100, '100 ns'],
		[1e3, '1 us'],
		[1e4, '10 us'],
		[1e5, '100 us'],
		[1e6, '1 ms'],
		[1e7, '10 ms'],
		[1e8, '100 ms'],
		[1e9, '1 s'],
		[1e10, '10 s'],
		[1e11, '100 s'],
	]) {
		const at = list.findIndex(
			(b, i) => b[0] <= ns && ns < (i + 1 < list.length ? list[i + 1][0] : 2 * b[0])
		);
		const x = at < 0 ? -1 : (at + Math.log2(ns / Math.max(list[at][0], 1))) * bar;

		if (x < 16 || x > width - 20 || x - last < 48) continue;
		last = x;
		marks.push(
			svg('line', {
				class: 'line',
				x1: x,
				x2: x,
				y1: HISTOGRAM_HEIGHT,
				y2: HISTOGRAM_HEIGHT + 4,
			}),
			svg(
				'text',
				{ class: 'axis', x, y: HISTOGRAM_HEIGHT + 15, 'text-anchor': 'middle' },
				text
			)
		);
	}
	return marks;
}

/* Heights are logarithms of counts, so that the few long ones are seen. */
function histogram(list, member, kind, width) {
	const bar = width / list.length,
		greatest = Math.log10(1 + Math.max(...list.map(b => b[member])));
	const image = svg('svg', {
		width,
		height: HISTOGRAM_HEIGHT + 18,
		role: 'img',
		'aria-label':
			(kind === 'wait' ? 'Waits' : 'Holds') +
			' by length: ' +
			list
				.filter(b => b[member])
				.map(b => count(b[member]) + ' from ' + time(b[0] || 1))
				.join(', '),
	});

	list.forEach((b, i) => {
		const height = b[member]
			? Math.max(1, (HISTOGRAM_HEIGHT * Math.log10(1 + b[member])) / greatest)
			: 0;
		const to = i + 1 < list.length ? ' to ' + time(list[i + 1][0]) : '';

		if (height)
			image.append(
				svg('rect', {
					class: kind,
					x: i * bar + 0.6,
					y: HISTOGRAM_HEIGHT - height,
					width: Math.max(1, bar - 1.2),
					height,
					'data-tip': count(b[member]) + ' of ' + time(b[0] || 1) + to,
				})
			);
	});
	image.append(
		svg('line', {
			class: 'line',
			x1: 0,
			x2: width,
			y1: HISTOGRAM_HEIGHT + 0.5,
			y2: HISTOGRAM_HEIGHT + 0.5,
		}),
		...axis(list, width, bar)
	);
	return image;
}

/* Of both sides of a rwlock only the histogram tells it: by its place in a bucket, which ends at the
 * longest. Where all are in one bucket, the average is nearer. */
function median(lock, list, member, durations, longest) {
	const all = list.reduce((n, b) => n + b[member], 0);
	let left = all / 2;

	if (!lock.read) return time(most(lock, durations, 'p50'));
	const at = list.findIndex(b => (left -= b[member]) <= 0),
		[from] = list[at],
		to = Math.max(from, Math.min(at + 1 < list.length ? list[at + 1][0] : Infinity, longest));

	return (
		'about ' +
		time(
			list[at][member] === all
				? sides(lock).reduce((ns, side) => ns + side[durations].total, 0) / all
				: to + ((to - from) * left) / list[at][member]
		)
	);
}

function histograms(lock, width) {
	const list = buckets_of(lock),
		half = innerWidth > 620 ? Math.floor((width - 14) / 2) : width;
	const of = (member, kind, title, durations) => {
		const any = list.some(b => b[member]),
			longest = kind === 'wait' ? longest_wait(lock) : most(lock, durations, 'max');

		return el(
			'div',
			{},
			el(
				'h3',
				{},
				title + ' ',
				el(
					'span.sub',
					{},
					any
						? 'median ' +
								median(lock, list, member, durations, longest) +
								', max ' +
								time(longest)
						: 'none'
				)
			),
			any ? histogram(list, member, kind, half) : ''
		);
	};

	return el(
		'div.two',
		{},
		of(1, 'wait', 'Waits', 'wait_ns'),
		lock.hold_ns ? of(2, 'hold', 'Holds', 'hold_ns') : ''
	);
}
