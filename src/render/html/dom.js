/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page's script, which the build puts together, begins here. This file makes elements. Whatever comes
 * from the profiled program goes in as text nodes and attributes only, so no name can become markup. */
'use strict';

const $ = id => document.getElementById(id);

function fill(node, attributes, children) {
	for (const name in attributes) {
		const value = attributes[name];

		if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
		else if (name === 'css')
			for (const property in value) node.style.setProperty(property, value[property]);
		else if (value !== undefined && value !== null) node.setAttribute(name, value);
	}
	node.append(...children.flat().filter(x => x !== null && x !== undefined && x !== false && x !== ''));
	return node;
}

/* el('div.a.b', { attribute: value, css: {}, onclick: f }, children...) */
function el(what, attributes, ...children) {
	const [name, ...classes] = what.split('.');
	const node = document.createElement(name);

	if (classes.length) node.className = classes.join(' ');
	return fill(node, attributes || {}, children);
}

function svg(name, attributes, ...children) {
	return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes || {}, children);
}

/* A row of buttons of which one is chosen; arrow keys go from one to the next. list: [id, text] each. */
function tabs(label, list, chosen, choose, panel) {
	const button = ([id, text]) =>
		el(
			'button',
			{
				role: 'tab',
				id: 'tab-' + id,
				'aria-selected': id === chosen,
				'aria-controls': panel,
				tabindex: id === chosen ? 0 : -1,
				onclick: () => {
					choose(id);
					$('tab-' + id).focus();
				},
			},
			text
		);
	const move = event => {
		const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
		const at = list.findIndex(x => 'tab-' + x[0] === document.activeElement.id);

		if (!step || at < 0) return;
		event.preventDefault();
		const next = list[(at + step + list.length) % list.length][0];

		choose(next);
		$('tab-' + next).focus();
	};

	return el('div.tablist', { role: 'tablist', 'aria-label': label, onkeydown: move }, list.map(button));
}

/* The line that appears beside what has data-tip. */
function tip_show(text, x, y) {
	const box = $('tip');

	box.hidden = !text;
	if (!text) return;
	box.textContent = text;
	const r = box.getBoundingClientRect();

	box.style.left = Math.max(4, Math.min(x + 12, innerWidth - r.width - 8)) + 'px';
	box.style.top = Math.max(4, y + 16 + r.height > innerHeight ? y - r.height - 10 : y + 16) + 'px';
}

function tips_start() {
	const tip_of = target => target.closest && target.closest('[data-tip]');

	document.addEventListener('mousemove', event => {
		const over = tip_of(event.target);

		tip_show(over ? over.dataset.tip : '', event.clientX, event.clientY);
	});
	document.addEventListener('focusin', event => {
		const over = tip_of(event.target),
			r = event.target.getBoundingClientRect();

		tip_show(over ? over.dataset.tip : '', r.left, r.bottom - 14);
	});
	document.addEventListener('focusout', () => tip_show(''));
	document.addEventListener('scroll', () => tip_show(''), true);
}
