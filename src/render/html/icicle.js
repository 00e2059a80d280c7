/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stacks as an icicle: callers on top, the lock at the tip; widths are times. A comparison shows before
 * and after. */

const ICICLE_VIEWS = {
	waiters: { title: 'Waits', ns: 'wait_ns', words: 'by the code that waited' },
	holders: { title: 'Blame', ns: 'blocked_ns', words: 'by the code that held the lock meanwhile' },
	users: { title: 'Holds', ns: 'hold_ns', words: 'by the code that took the lock' },
};
const BOX_HEIGHT = 18;

const icicle = { view: 'waiters', only: false, zoom: null, search: '', boxes: [] };

/* The tree's nodes are those of the stacks; "tips" are the locks at their ends. Node 0 is the whole. */
function icicle_tree(groups_by_side) {
	const n = D.stacks.length / 2 + 2,
		unknown = n - 1;
	const tree = {
		before: new Float64Array(n),
		after: new Float64Array(n),
		kids: new Map(),
		tips: new Map(),
	};

	groups_by_side.forEach(([side, lock, list, ns, scale]) => {
		for (const group of list) {
			const node = group.stack >= 0 ? group.stack + 1 : unknown,
				value = group[ns] * scale;

			if (!value) continue;
			tree[side][node] += value;
			const name = lock_name(lock),
				at = tree.tips.get(node) || new Map(),
				tip = at.get(name) || { lock, before: 0, after: 0 };

			tip[side] += value;
			if (side === 'after') tip.lock = lock;
			tree.tips.set(node, at.set(name, tip));
		}
	});
	for (let node = n - 1; node > 0; node--) {
		if (!tree.before[node] && !tree.after[node]) continue;
		const around = node === unknown ? 0 : D.stacks[2 * (node - 1)];

		tree.before[around] += tree.before[node];
		tree.after[around] += tree.after[node];
		tree.kids.set(around, [...(tree.kids.get(around) || []), node]);
	}
	return { ...tree, unknown };
}

function icicle_groups() {
	const view = ICICLE_VIEWS[icicle.view],
		list = [];
	const add = (process, side, scale) => {
		for (const lock of process.locks)
			if (is_lock(lock) && (!icicle.only || lock.identity === table.selected.identity))
				list.push([side, lock, lock[icicle.view], view.ns, scale]);
	};

	if (!icicle.compare) {
		const side_locks = icicle.only ? [table.selected] : P.locks.filter(is_lock);

		side_locks.forEach(lock => list.push(['after', lock, lock[icicle.view], view.ns, 1]));
		return list;
	}
	for (const [name, side] of [
		['base', 'before'],
		['new', 'after'],
	]) {
		const runs = D.runs.filter(run => run.side === name);

		runs.forEach(run => run.processes.forEach(process => add(process, side, 1 / runs.length)));
	}
	return list;
}

const node_value = (tree, node) => tree.before[node] + tree.after[node];

function node_name(tree, node) {
	return node === 0
		? base_name(P.program)
		: node === tree.unknown
			? '(unknown)'
			: short_name(D.stacks[2 * node - 1]);
}

function box_tip(tree, name, where, before, after) {
	const whole = node_value(tree, 0);

	return (
		name +
		(where ? '  ' + where : '') +
		'\n' +
		(icicle.compare
			? 'before ' + time(before) + ', after ' + time(after)
			: time(after) + ', ' + share(after, whole))
	);
}

/* Colours of a comparison: from all before (blue) to all after (orange). */
function box_color(before, after) {
	const part = (after - before) / (after + before),
		strength = Math.round(Math.abs(part) * 85);

	return `color-mix(in srgb, var(--${part > 0 ? 'more' : 'less'}) ${strength}%, var(--same))`;
}

function box_add(tree, at, x, width, depth, extra) {
	const { name, before, after, where } = at,
		text = box_tip(tree, name, where, before, after);
	const hit = icicle.search && name.toLowerCase().includes(icicle.search);
	const box = el(
		'div.box' +
			(icicle.view === 'waiters' ? '' : '.held') +
			(at.lock ? '.tip' : '') +
			(extra.dim ? '.dim' : '') +
			(hit ? '.hit' : ''),
		{
			role: 'treeitem',
			'aria-level': depth + 1,
			'aria-label': text,
			'data-tip': text,
			tabindex: -1,
			'data-depth': depth,
			css: {
				left: x + 'px',
				top: depth * BOX_HEIGHT + 'px',
				width: Math.max(1, width - 1) + 'px',
				...(icicle.compare && !hit
					? { background: box_color(before, after), color: '#1f2328' }
					: {}),
			},
			onclick: extra.open,
		},
		width > 24 ? name : ''
	);

	icicle.boxes.push({ box, depth, x, width, up: extra.up });
	return icicle.boxes.length - 1;
}

function icicle_zoom(node) {
	icicle.zoom = node || null;
	low_show();
	const first = icicle.boxes.find(b => b.node === (node || 0)) || icicle.boxes[0];

	if (first) first.box.focus({ preventScroll: true });
}

function tips_add(tree, node, x, scale, depth, up) {
	for (const [name, tip] of tree.tips.get(node) || []) {
		const width = (tip.before + tip.after) * scale;

		if (width >= 1)
			box_add(
				tree,
				{ name, lock: tip.lock, before: tip.before, after: tip.after },
				x,
				width,
				depth,
				{ up, open: () => P.locks.includes(tip.lock) && lock_choose(tip.lock) }
			);
		x += width;
	}
}

function node_add(tree, node, x, scale, depth, up, dim) {
	const where = node === 0 || node === tree.unknown ? '' : place(D.stacks[2 * node - 1]);
	const index = box_add(
		tree,
		{ name: node_name(tree, node), where, before: tree.before[node], after: tree.after[node] },
		x,
		node_value(tree, node) * scale,
		depth,
		{ up, dim, open: () => icicle_zoom(node) }
	);

	icicle.boxes[index].node = node;
	return index;
}

/* A node and what is below it, as far as it is wider than a pixel. */
function icicle_draw(tree, root, scale, first_depth, up) {
	const todo = [[root, 0, first_depth, up]];

	while (todo.length) {
		const [node, x, depth, above] = todo.pop(),
			index = node_add(tree, node, x, scale, depth, above);
		const kids = (tree.kids.get(node) || []).sort(
			(a, b) => node_value(tree, b) - node_value(tree, a)
		);
		let at = x;

		for (const kid of kids) {
			const width = node_value(tree, kid) * scale;

			if (width >= 1) todo.push([kid, at, depth + 1, index]);
			at += width;
		}
		tips_add(tree, node, at, scale, depth + 1, index);
	}
}

/* Down to the first box below, up to the one above, left and right to those beside. */
function icicle_key(event) {
	const at = icicle.boxes.findIndex(b => b.box === document.activeElement),
		here = icicle.boxes[at];
	let to;

	if (!here) return;
	if (event.key === 'ArrowUp') to = icicle.boxes[here.up];
	else if (event.key === 'ArrowDown')
		to = icicle.boxes.filter(b => b.up === at).sort((a, b) => a.x - b.x)[0];
	else if (event.key === 'ArrowRight')
		to = icicle.boxes
			.filter(b => b.depth === here.depth && b.x > here.x)
			.sort((a, b) => a.x - b.x)[0];
	else if (event.key === 'ArrowLeft')
		to = icicle.boxes
			.filter(b => b.depth === here.depth && b.x < here.x)
			.sort((a, b) => b.x - a.x)[0];
	else if (event.key === 'Enter' || event.key === ' ') here.box.click();
	else if (event.key === 'Escape') icicle_zoom(null);
	else return;
	event.preventDefault();
	if (to) to.box.focus();
}

/* How much of the whole lies in boxes whose name has what is searched for. */
function search_share(tree) {
	const hit = node => node_name(tree, node).toLowerCase().includes(icicle.search);
	const below = [0];
	let found = 0;

	while (below.length) {
		const node = below.pop();

		if (node && hit(node)) {
			found += node_value(tree, node);
			continue;
		}
		for (const [name, tip] of tree.tips.get(node) || [])
			if (name.toLowerCase().includes(icicle.search)) found += tip.before + tip.after;
		below.push(...(tree.kids.get(node) || []));
	}
	return share(found, node_value(tree, 0));
}

function icicle_words(tree) {
	if (!node_value(tree, 0)) return '';
	if (icicle.search) return search_share(tree) + ' is in or below \u201c' + icicle.search + '\u201d';
	if (icicle.compare)
		return (
			time(tree.before[0]) +
			' before (blue), ' +
			time(tree.after[0]) +
			' after (orange), for each run'
		);
	return time(tree.after[0]) + ' ' + ICICLE_VIEWS[icicle.view].words;
}

/* The icicle as an element of a width. */
function icicle_make(width) {
	const tree = icicle_tree(icicle_groups()),
		around = [];
	const box = el('div.icicle', {
		id: 'icicle',
		role: 'tree',
		'aria-label': ICICLE_VIEWS[icicle.view].title,
		onkeydown: icicle_key,
	});

	icicle.boxes = [];
	if (!node_value(tree, icicle.zoom || 0)) icicle.zoom = null;
	const root = icicle.zoom || 0;

	for (let node = root; node > 0;) {
		node = node === tree.unknown ? 0 : D.stacks[2 * (node - 1)];
		around.unshift(node);
	}
	if (node_value(tree, 0)) {
		let up;

		around.forEach((node, depth) => {
			up = node_add(tree, node, 0, width / node_value(tree, node), depth, up, true);
		});
		icicle_draw(tree, root, width / node_value(tree, root), around.length, up);
		icicle.boxes.find(b => b.node === root).box.tabIndex = 0;
	}
	box.append(...icicle.boxes.map(b => b.box));
	box.style.height = (1 + Math.max(0, ...icicle.boxes.map(b => b.depth))) * BOX_HEIGHT + 'px';
	$('icicle-words').textContent = icicle_words(tree);
	return icicle.boxes.length
		? box
		: el(
				'p.facts',
				{},
				icicle.view === 'users' ? 'Nothing was held.' : 'Nothing: no thread waited.'
			);
}
