#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a large C++ program, to measure how long naming takes in one: many generated units, each with
templates, lambdas, inlining and a few hundred functions of its own.

usage: make-large.py DIRECTORY [UNITS]     (leaves DIRECTORY/large; default 40 units, about 130 MB of debug
information)
"""
import os
import subprocess
import sys

UNIT = """
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace unit{u} {{
static std::mutex lock;
struct Item {{ long key; std::string name; }};

template <int N> struct Shard {{
	std::mutex lock;
	std::map<std::string, Item> items;
	std::vector<long> order;
	long put(const std::string &name, long key)
	{{
		std::lock_guard<std::mutex> guard(lock);
		auto &item = items[name];
		item.key += key + N;
		item.name = name;
		order.push_back(item.key);
		std::sort(order.begin(), order.end(), [](long a, long b) {{ return a > b; }});
		return item.key;
	}}
}};
{functions}
long all(long x)
{{
	std::vector<std::function<long(long)>> list = {{ {list} }};
	long sum = 0;
	for (auto &f : list)
		sum += f(x);
	return sum;
}}
}}
long run{u}(long x) {{ return unit{u}::all(x); }}
"""

FUNCTION = """
long work{n}(long x)
{{
	static Shard<{n}> shard;
	std::unordered_map<long, std::unique_ptr<Item>> map;
	for (long i = 0; i < x; i++) {{
		auto item = std::make_unique<Item>();
		item->key = shard.put("name" + std::to_string(i), i);
		map[i] = std::move(item);
	}}
	std::lock_guard<std::mutex> guard(lock);
	return map.size() + shard.order.size();
}}
"""


def main():
    directory = sys.argv[1]
    units = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    cxx = os.environ.get("CXX", "c++").split()
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    names = ["unit%d" % u for u in range(units)]
    for u, name in enumerate(names):
        functions = range(1, 61)
        with open(name + ".cc", "w") as f:
            f.write(UNIT.format(u=u, functions="".join(FUNCTION.format(n=n) for n in functions),
                                list=", ".join("work%d" % n for n in functions)))
    with open("main.cc", "w") as f:
        f.write("".join("long run%d(long x);\n" % u for u in range(units)))
        f.write("int main(int argc, char **)\n{\n\tlong sum = 0;\n")
        f.write("".join("\tsum += run%d(argc);\n" % u for u in range(units)))
        f.write("\treturn sum > 0;\n}\n")
    with open("Makefile", "w") as f:
        f.write("large: %s main.o\n\t%s -g -pthread $^ -o $@\n%%.o: %%.cc\n\t%s -O1 -g -c $< -o $@\n" % (
            " ".join(n + ".o" for n in names), " ".join(cxx), " ".join(cxx)))
    subprocess.run(["make", "-s", "-j2", "large"], check=True)


main()
