/* planted.h - tests that must pass, and planted mistakes that must be found: each in a process of its own, in TAP.
 *
 * A case that names no words must end with status 0. One that does must end otherwise, and say them. The child's last
 * word is its exit status, so that a sanitizer can have it. TEST=part runs the cases whose names hold it.
 */
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLANTED_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define PLANTED_THREAD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PLANTED_ADDRESS 1
#endif
#if defined(__SANITIZE_THREAD__)
#define PLANTED_THREAD 1
#endif

#if defined(PLANTED_THREAD)
/* Without this each process that has made threads sleeps a second before it ends. */
extern "C" const char *__tsan_default_options()
{
    return "atexit_sleep_ms=0";
}
#endif

namespace planted
{

enum Build { PLAIN = 1, ADDRESS = 2, THREAD = 4, ALL = 7 };
#if defined(PLANTED_ADDRESS)
constexpr Build BUILD = ADDRESS;
#elif defined(PLANTED_THREAD)
constexpr Build BUILD = THREAD;
#else
constexpr Build BUILD = PLAIN;
#endif

struct Case {
    const char *name;
    void (*run)();
    int builds;              /* in which it is found */
    const char *words;       /* of the report; NULL: nothing is wrong */
    const char *environment; /* NAME=value, or NULL */
};

/* Ends the case with status 1 unless the claim holds. */
inline void expect(bool claim, const char *words)
{
    if (claim)
        return;
    std::printf("expected: %s\n", words);
    std::fflush(stdout);
    std::exit(1);
}

/* Runs the case in a child; all that it wrote, and its wait status. */
inline std::string run_case(const Case &c, int *status)
{
    int ends[2];
    std::fflush(nullptr);
    if (pipe(ends))
        std::abort();
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        if (c.environment)
            putenv(const_cast<char *>(c.environment));
        alarm(120);
        c.run();
        std::exit(0);
    }
    close(ends[1]);
    std::string said;
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
        said.append(part, static_cast<size_t>(n));
    close(ends[0]);
    waitpid(child, status, 0);
    return said;
}

/* NULL if the case went as it should. */
inline const char *judge(const Case &c, int status, const std::string &said)
{
    bool fine = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!c.words)
        return fine ? nullptr : "should pass";
    if (fine)
        return "was not found";
    return said.find(c.words) != std::string::npos ? nullptr : "was found, but not in these words";
}

template <int N> int run_all(const Case (&cases)[N])
{
    const char *part = std::getenv("TEST");
    int number = 0, failed = 0;
    for (const Case &c : cases) {
        if (!(c.builds & BUILD) || (part && *part && !std::strstr(c.name, part)))
            continue; /* a case of another build */
        number++;
        int status;
        std::string said = run_case(c, &status);
        const char *wrong = judge(c, status, said);
        std::printf("%s %d - %s\n", wrong ? "not ok" : "ok", number, c.name);
        if (wrong)
            std::printf("# %s%s%s; status %d; it said:\n%s\n", wrong, c.words ? ": " : "", c.words ? c.words : "",
                        status, said.c_str());
        failed += wrong != nullptr;
    }
    std::printf("1..%d\n", number);
    return failed != 0;
}

} // namespace planted
