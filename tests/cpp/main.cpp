/* Runs the tests one after the other and ends with Check's closing line. A test that hangs
 * is ended by an alarm. */
#include "checks.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

static test *first, **last = &first;
static const char *running = "";
static int failures;

test::test(const char *called, void (*fn)()) : name(called), run(fn), next(nullptr)
{
    *last = this;
    last = &next;
}

void check(bool holds, const char *what, const char *file, int line)
{
    if (holds) return;
    std::printf("%s:%d:F:cpp:%s:0: %s\n", file, line, running, what);
    std::fflush(stdout);
    failures++;
}

static double number_of(const char *variable, double otherwise)
{
    const char *text = std::getenv(variable);
    return text && *text ? std::strtod(text, nullptr) : otherwise;
}

double test_scale() { return number_of("ERRAND_TEST_SCALE", 1); }

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, std::strlen(text)) < 0) std::_Exit(EXIT_FAILURE);
}

static void hangs(int)
{
    say("cpp:0:E:cpp:");
    say(running);
    say(":0: it hangs\n");
    std::_Exit(EXIT_FAILURE);
}

int main()
{
    std::signal(SIGALRM, hangs);
    int checks = 0, failed = 0, errors = 0;
    double seconds = number_of("CK_DEFAULT_TIMEOUT", 60) * number_of("CK_TIMEOUT_MULTIPLIER", 1);
    for (test *t = first; t; t = t->next) {
        running = t->name;
        failures = 0;
        checks++;
        alarm(static_cast<unsigned>(seconds));
        try {
            t->run();
        } catch (const std::exception &e) {
            std::printf("cpp:0:E:cpp:%s:0: threw: %s\n", t->name, e.what());
            errors++;
        }
        if (failures) failed++;
    }
    int percent = 100 * (checks - failed - errors) / (checks ? checks : 1);
    std::printf("%d%%: Checks: %d, Failures: %d, Errors: %d\n", percent, checks, failed, errors);
    return !checks || failed || errors ? EXIT_FAILURE : EXIT_SUCCESS;
}
