/* A power cut for one folder: a library to preload into a process under test.
 *
 * Every file below $POWERCUT_DIR has a twin below $POWERCUT_SHADOW that holds only what the process
 * has forced to the disk (fsync, fdatasync). The harness kills the process and goes on from the twins: writes that
 * were never synced are gone, as when the mains fail. A kill -9 alone would prove nothing, because the page cache
 * survives it.
 *
 * Names (create, unlink, rename) are taken as durable at once; a file's bytes only by sync. Shared memory of SQLite
 * (-shm) is rebuilt by itself and not mirrored.
 *
 * With $POWERCUT_AFTER, the process is killed (-9) once that file exists and as many syncs as it says have come back
 * since: the power fails right after a commit is durable and before anybody is told.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FD 4096
#define MAX_FILES 256

struct file { char path[PATH_MAX]; off_t from, to; int truncated; };
static struct file files[MAX_FILES];
static int count;
static short fd_file[MAX_FD]; /* index + 1 */
static const char *dir, *shadow, *after;
static int left = -1; /* syncs to go, once the file was seen */
static size_t dir_len;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void start(void) {
  real_open = dlsym(RTLD_NEXT, "open64");
  real_openat = dlsym(RTLD_NEXT, "openat64");
  real_close = dlsym(RTLD_NEXT, "close");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_pwritev = dlsym(RTLD_NEXT, "pwritev64");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_rename = dlsym(RTLD_NEXT, "rename");
  dir = getenv("POWERCUT_DIR");
  shadow = getenv("POWERCUT_SHADOW");
  after = getenv("POWERCUT_AFTER");
  dir_len = dir ? strlen(dir) : 0;
}

static int watched(const char *path) {
  size_t n = strlen(path);
  return dir_len && shadow && strncmp(path, dir, dir_len) == 0 && path[dir_len] == '/' &&
         !(n > 4 && strcmp(path + n - 4, "-shm") == 0);
}

static void twin(const char *path, char *out) { snprintf(out, PATH_MAX, "%s%s", shadow, path + dir_len); }

static void parents(char *path) {
  for (char *p = path + strlen(shadow) + 1; *p; p++)
    if (*p == '/') { *p = 0; mkdir(path, 0755); *p = '/'; }
}

static void opened(int fd, const char *path) {
  if (fd < 0 || fd >= MAX_FD || !watched(path)) return;
  struct stat s;
  if (fstat(fd, &s) || !S_ISREG(s.st_mode)) return;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < count && strcmp(files[i].path, path)) i++;
  if (i == count && count < MAX_FILES) {
    snprintf(files[i].path, PATH_MAX, "%s", path);
    files[i].from = -1;
    count++;
  }
  if (i < count) fd_file[fd] = (short)(i + 1);
  pthread_mutex_unlock(&lock);
}

static struct file *of(int fd) { return fd >= 0 && fd < MAX_FD && fd_file[fd] ? &files[fd_file[fd] - 1] : NULL; }

static void dirty(int fd, off_t at, ssize_t n) {
  struct file *f = of(fd);
  if (!f || n <= 0) return;
  pthread_mutex_lock(&lock);
  if (f->from < 0 || at < f->from) f->from = at;
  if (at + n > f->to) f->to = at + n;
  pthread_mutex_unlock(&lock);
}

/* Copies what was written since the last sync from the file to its twin. */
static void synced(int fd) {
  struct file *f = of(fd);
  if (!f) return;
  char name[PATH_MAX];
  twin(f->path, name);
  parents(name);
  pthread_mutex_lock(&lock);
  int out = real_open(name, O_RDWR | O_CREAT, 0644);
  int in = real_open(f->path, O_RDONLY);
  struct stat s;
  if (out >= 0 && in >= 0 && !fstat(in, &s)) {
    char buf[65536];
    if (f->from >= 0)
      for (off_t at = f->from; at < f->to && at < s.st_size;) {
        size_t want = sizeof buf < (size_t)(f->to - at) ? sizeof buf : (size_t)(f->to - at);
        ssize_t n = pread(in, buf, want, at);
        if (n <= 0) break;
        real_pwrite(out, buf, (size_t)n, at);
        at += n;
      }
    real_ftruncate(out, s.st_size);
    f->from = -1;
    f->to = 0;
  }
  if (out >= 0) real_close(out);
  if (in >= 0) real_close(in);
  pthread_mutex_unlock(&lock);
}

#define OPEN(name, real, at_decl, at_pass)                                     \
  int name(at_decl const char *path, int flags, ...) {                         \
    mode_t mode = 0;                                                           \
    if (flags & (O_CREAT | O_TMPFILE)) {                                       \
      va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a);      \
    }                                                                          \
    int fd = real(at_pass path, flags, mode);                                  \
    opened(fd, path);                                                          \
    return fd;                                                                 \
  }
#define COMMA ,
OPEN(open, real_open, , )
OPEN(open64, real_open, , )
OPEN(openat, real_openat, int at COMMA, at COMMA)
OPEN(openat64, real_openat, int at COMMA, at COMMA)

int close(int fd) {
  if (fd >= 0 && fd < MAX_FD) fd_file[fd] = 0;
  return real_close(fd);
}

ssize_t write(int fd, const void *b, size_t n) {
  off_t at = of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
  ssize_t r = real_write(fd, b, n);
  dirty(fd, at, r);
  return r;
}

ssize_t pwrite64(int fd, const void *b, size_t n, off_t at) {
  ssize_t r = real_pwrite(fd, b, n, at);
  dirty(fd, at, r);
  return r;
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return pwrite64(fd, b, n, at); }

ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) {
  ssize_t r = real_pwritev(fd, v, n, at);
  dirty(fd, at, r);
  return r;
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return pwritev64(fd, v, n, at); }

int ftruncate64(int fd, off_t size) { return real_ftruncate(fd, size); }
int ftruncate(int fd, off_t size) { return real_ftruncate(fd, size); }

/* Counts a sync of the folder; the last one is the end. */
static void counted(int fd) {
  if (!after || !of(fd)) return;
  pthread_mutex_lock(&lock);
  if (left < 0) {
    int in = real_open(after, O_RDONLY);
    char text[16] = {0};
    if (in >= 0) {
      if (pread(in, text, sizeof text - 1, 0) > 0) left = atoi(text);
      real_close(in);
    }
  }
  if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
  pthread_mutex_unlock(&lock);
}

int fsync(int fd) {
  int r = real_fsync(fd);
  if (!r) synced(fd);
  counted(fd);
  return r;
}
int fdatasync(int fd) {
  int r = real_fdatasync(fd);
  if (!r) synced(fd);
  counted(fd);
  return r;
}

int unlink(const char *path) {
  int r = real_unlink(path);
  if (!r && watched(path)) {
    char name[PATH_MAX];
    twin(path, name);
    real_unlink(name);
  }
  return r;
}

int rename(const char *a, const char *b) {
  int r = real_rename(a, b);
  if (!r && watched(a) && watched(b)) {
    char x[PATH_MAX], y[PATH_MAX];
    twin(a, x);
    twin(b, y);
    real_rename(x, y);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; i++)
      if (!strcmp(files[i].path, a)) snprintf(files[i].path, PATH_MAX, "%s", b);
    pthread_mutex_unlock(&lock);
  }
  return r;
}
