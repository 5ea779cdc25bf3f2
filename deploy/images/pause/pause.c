/* The first process of every Pod: holds its namespaces, buries its orphans, ends when asked to. */

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *text, size_t size)
{
	/* Nothing can be done if even this fails; the exit code says the rest. */
	if (write(STDERR_FILENO, text, size) < 0)
		_exit(2);
	_exit(1);
}

int main(void)
{
	sigset_t wanted;
	int number;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	/* Blocked signals stay pending until they are waited for, also for a process 1, which ignores unhandled ones. */
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) < 0)
		fail("pause: cannot block signals\n", 28);

	for (;;) {
		if (sigwait(&wanted, &number) != 0)
			continue;
		if (number != SIGCHLD)
			return EXIT_SUCCESS;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
