/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unpacks the data (zlib, RFC 1950 and 1951) where the browser cannot: DecompressionStream came in 2023,
 * so this is seldom used. */

const LENGTH_BASE = [
	3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
	195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
	1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
	4097, 6145, 8193, 12289, 16385, 24577,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/* How many codes there are of each length, and the symbols in the order of their codes. */
function huffman(lengths) {
	const counts = new Uint16Array(16),
		starts = new Uint16Array(16),
		symbols = new Uint16Array(lengths.length);

	for (const length of lengths) counts[length]++;
	counts[0] = 0;
	for (let i = 1; i < 16; i++) starts[i] = starts[i - 1] + counts[i - 1];
	lengths.forEach((length, symbol) => {
		if (length) symbols[starts[length]++] = symbol;
	});
	return { counts, symbols };
}

class Inflater {
	constructor(bytes, size) {
		Object.assign(this, { bytes, at: 2, bits: 0, held: 0, out: new Uint8Array(size), end: 0 });
	}

	take(n) {
		while (this.held < n) {
			this.bits |= this.bytes[this.at++] << this.held;
			this.held += 8;
		}
		const value = this.bits & ((1 << n) - 1);

		this.bits >>>= n;
		this.held -= n;
		return value;
	}

	symbol(table) {
		let code = 0,
			first = 0,
			index = 0;

		for (let length = 1; length < 16; length++) {
			code |= this.take(1);
			const n = table.counts[length];

			if (code - n < first) return table.symbols[index + code - first];
			index += n;
			first = (first + n) << 1;
			code <<= 1;
		}
		throw new Error('the data are damaged');
	}

	stored() {
		this.bits = this.held = 0;
		const n = this.bytes[this.at] | (this.bytes[this.at + 1] << 8);

		this.out.set(this.bytes.subarray(this.at + 4, this.at + 4 + n), this.end);
		this.at += 4 + n;
		this.end += n;
	}

	tables() {
		const n_literals = this.take(5) + 257,
			n_distances = this.take(5) + 1,
			n_codes = this.take(4) + 4;
		const code_lengths = new Array(19).fill(0),
			lengths = [];

		for (let i = 0; i < n_codes; i++) code_lengths[CODE_ORDER[i]] = this.take(3);
		const codes = huffman(code_lengths);

		while (lengths.length < n_literals + n_distances) {
			const s = this.symbol(codes);

			if (s < 16) lengths.push(s);
			else if (s === 16)
				lengths.push(
					...new Array(3 + this.take(2)).fill(lengths[lengths.length - 1])
				);
			else
				lengths.push(
					...new Array(s === 17 ? 3 + this.take(3) : 11 + this.take(7)).fill(0)
				);
		}
		return [huffman(lengths.slice(0, n_literals)), huffman(lengths.slice(n_literals))];
	}

	block(literals, distances) {
		for (;;) {
			let s = this.symbol(literals);

			if (s === 256) return;
			if (s < 256) {
				this.out[this.end++] = s;
				continue;
			}
			const length = LENGTH_BASE[s - 257] + this.take(LENGTH_EXTRA[s - 257]);

			s = this.symbol(distances);
			const from = this.end - DISTANCE_BASE[s] - this.take(s < 2 ? 0 : (s >> 1) - 1);

			for (let i = 0; i < length; i++) this.out[this.end++] = this.out[from + i];
		}
	}

	run() {
		for (let last = 0; !last;) {
			last = this.take(1);
			const kind = this.take(2);

			if (kind === 0) {
				this.stored();
			} else if (kind === 1) {
				const fixed = Array.from({ length: 288 }, (_, i) =>
					i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8
				);

				this.block(huffman(fixed), huffman(new Array(30).fill(5)));
			} else {
				this.block(...this.tables());
			}
		}
		return this.out;
	}
}
