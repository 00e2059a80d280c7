# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the C file that holds the page's style and script: awk -f embed.awk NAME=style HASH=HEX FILE...
# A file becomes one string, and its SHA-256 (HASH, as sha256sum prints it) what the policy wants of it.

function base64(hex,    digits, values, out, i, bits, n, c) {
	digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	values = "0123456789abcdef"
	bits = n = 0
	out = ""
	for (i = 1; i <= length(hex); i++) {
		bits = bits * 16 + index(values, substr(hex, i, 1)) - 1
		n += 4
		if (n >= 6) {
			n -= 6
			c = int(bits / 2 ^ n)
			out = out substr(digits, c + 1, 1)
			bits -= c * 2 ^ n
		}
	}
	if (n > 0)
		out = out substr(digits, bits * 2 ^ (6 - n) + 1, 1)
	while (length(out) % 4 != 0)
		out = out "="
	return out
}

NR == 1 {
	printf "const char html_%s_hash[] = \"sha256-%s\";\nconst char html_%s[] =\n", NAME, base64(HASH), NAME
}

{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\\&")
	gsub(/\?\?/, "?\"\"?") # no trigraphs
	printf "\t\"%s\\n\"\n", $0
}

END {
	print "\t;"
}
