// The plainest copy of memory from one process to another: BYTES of random data over a unix socket in blocks of 1 MiB, from a buffer of
// that size into one of that size, each page of both touched before. For each line on its input it copies once, prints the seconds
// that took, and ends with an error when the two differ. cc -O2 -o copy copy.c; ./copy BYTES
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint8_t *allocate(size_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    // As both engines do; a refusal costs nothing but time.
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static uint64_t hash(const uint8_t *memory, size_t bytes)
{
    uint64_t sum = bytes;
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word;
        memcpy(&word, memory + at, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    return sum;
}

static void put(int to, const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t next = bytes - at < BLOCK ? bytes - at : BLOCK;
        ssize_t done = write(to, (const uint8_t *)from + at, next);
        if (done <= 0) fail("write");
        at += (size_t)done;
    }
}

static void get(int from, void *to, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t next = bytes - at < BLOCK ? bytes - at : BLOCK;
        ssize_t done = read(from, (uint8_t *)to + at, next);
        if (done == 0 && at == 0) exit(0);
        if (done <= 0) fail("read");
        at += (size_t)done;
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void receive(int from, size_t bytes)
{
    uint8_t *memory = allocate(bytes);
    for (;;) {
        memset(memory, 0, bytes);
        put(from, "r", 1);
        get(from, memory, bytes);
        put(from, "e", 1);
        uint64_t sum = hash(memory, bytes);
        put(from, &sum, sizeof sum);
    }
}

int main(int count, char **arguments)
{
    size_t bytes = count == 2 ? strtoull(arguments[1], NULL, 10) : 0;
    int ends[2];
    char line[16], mark;
    if (bytes == 0 || bytes % BLOCK != 0) {
        fprintf(stderr, "copy BYTES, a multiple of 1 MiB\n");
        return 2;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
    pid_t child = fork();
    if (child < 0) fail("fork");
    close(ends[child != 0]);
    if (child == 0) receive(ends[1], bytes);

    uint8_t *memory = allocate(bytes);
    uint64_t state = 1;
    for (size_t at = 0; at < bytes; at += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t word = state ^ (state >> 31);
        memcpy(memory + at, &word, 8);
    }
    uint64_t mine = hash(memory, bytes), theirs;
    while (fgets(line, sizeof line, stdin)) {
        get(ends[0], &mark, 1);
        double start = now();
        put(ends[0], memory, bytes);
        get(ends[0], &mark, 1);
        double seconds = now() - start;
        get(ends[0], &theirs, sizeof theirs);
        if (mine != theirs) {
            fprintf(stderr, "the copy differs\n");
            return 1;
        }
        printf("%.6f\n", seconds);
        fflush(stdout);
    }
    return 0;
}
