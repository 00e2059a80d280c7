/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hangs by means of C++, for `mutrace hang`: the argument names one. Says "stuck" when its threads should be
 * asleep. */
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

namespace app
{

struct Account {
	std::mutex m;
	std::condition_variable changed;
	std::shared_mutex table;
	std::once_flag once;
};
Account mine, yours;

void pause_a_little()
{
	std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

void transfer(Account &from, Account &to)
{
	std::lock_guard<std::mutex> a(from.m);
	pause_a_little();
	std::lock_guard<std::mutex> b(to.m);
}

void await_change(Account &a)
{
	std::unique_lock<std::mutex> l(a.m);
	a.changed.wait(l);
}

void write_table(Account &a)
{
	std::unique_lock<std::shared_mutex> l(a.table);
	pause();
}

void read_table(Account &a)
{
	pause_a_little();
	std::shared_lock<std::shared_mutex> l(a.table);
}

void set_up(Account &a)
{
	std::call_once(a.once, [] { pause(); });
}

int slow_start()
{
	pause();
	return 1;
}

void use_static()
{
	static int value = slow_start();
	(void)value;
}

} // namespace app

int main(int argc, char **argv)
{
	using namespace app;
	std::thread a, b;
	auto is = [&](const char *name) { return argc == 2 && strcmp(argv[1], name) == 0; };

	prctl(PR_SET_PTRACER, -1L, 0L, 0L, 0L); // yama's scope 1 lets the test look
	if (is("pair")) {
		a = std::thread([] { transfer(mine, yours); });
		b = std::thread([] { transfer(yours, mine); });
	} else if (is("condition")) {
		a = std::thread([] { await_change(mine); });
	} else if (is("shared")) {
		a = std::thread([] { write_table(mine); });
		b = std::thread([] { read_table(mine); });
	} else if (is("once")) {
		a = std::thread([] { set_up(mine); });
		b = std::thread([] {
			pause_a_little();
			set_up(mine);
		});
	} else if (is("static")) {
		a = std::thread([] { use_static(); });
		b = std::thread([] {
			pause_a_little();
			use_static();
		});
	} else {
		return 99;
	}
	std::this_thread::sleep_for(std::chrono::milliseconds(300));
	puts("stuck");
	fflush(stdout);
	a.join();
	b.join();
}
