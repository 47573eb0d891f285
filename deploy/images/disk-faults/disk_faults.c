/* A disk that is slow, full or broken for the processes that preload this library, and for nobody else.
 *
 * Syncs and writes of files on the data folder's device pass through here. What is to go wrong stands in a file that
 * all these processes map (WARREN_DISK_FAULTS; the folder is WARREN_DISK_FAULTS_DATA); what did is counted there:
 * chaos/disk.py has the same words in the same order. Without that file everything passes.
 *
 * Not seen: writes through memory maps, preallocation, copy_file_range and the like, and whatever the kernel does with
 * its page cache. The kernel is called directly, so that nothing has to be looked up before the first call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "offsets are handed to the kernel as one word");

enum { FILE_BYTES = 8192, TIMES = 512, FULL_SEEN_BY_DF = 2, BROKEN_WRITES = 1, BROKEN_SYNCS = 2 };
static const uint64_t MAGIC = 0x31464457; /* "WDF1" */
typedef _Atomic uint64_t word;

static struct control {
    word magic;                                           /* 0: the file is mapped, and has this form */
    word sync_delay_us, sync_jitter_us, write_delay_us;   /* 1 to 3: slow */
    word room_bytes, full;                                /* 4, 5: full, once files have grown by so much */
    word broken, spare;                                   /* 6: which calls fail with EIO */
    word syncs, syncs_delayed, writes_delayed, refused_full, refused_broken, spares[3]; /* 8 on: totals */
    word sync_us[TIMES];                                  /* 16 on: how long each of the last syncs took */
} nothing, *control = &nothing;
static dev_t device;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("WARREN_DISK_FAULTS"), *folder = getenv("WARREN_DISK_FAULTS_DATA");
    struct stat data;
    int fd = path && folder && !stat(folder, &data) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    void *mapped = ftruncate(fd, FILE_BYTES) ? MAP_FAILED
                                             : mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        return;
    device = data.st_dev;
    control = mapped;
    control->magic = MAGIC;
}

static int on_the_disk(int fd, struct stat *file)
{
    return control->magic == MAGIC && !fstat(fd, file) && (S_ISREG(file->st_mode) || S_ISDIR(file->st_mode)) &&
           file->st_dev == device;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void wait_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static int refuse(word *total, int error)
{
    ++*total;
    errno = error;
    return -1;
}

/* What happens before a sync: -1 where it fails. `begun_us` is 0 for a file of another place. */
static int before_sync(uint64_t begun_us)
{
    uint64_t delay_us = control->sync_delay_us, jitter_us = control->sync_jitter_us;
    if (begun_us && delay_us) {
        wait_us(delay_us + begun_us * 2654435761u % (jitter_us + 1)); /* the clock's last digits are random enough */
        ++control->syncs_delayed;
    }
    return begun_us && control->broken & BROKEN_SYNCS ? refuse(&control->refused_broken, EIO) : 0;
}

static void after_sync(uint64_t begun_us)
{
    if (begun_us)
        control->sync_us[control->syncs++ % TIMES] = now_us() - begun_us;
}

/* Whether files may grow by so much; what they do is taken off the room. */
static int takes_room(uint64_t bytes)
{
    uint64_t room = control->room_bytes;
    while (bytes <= room)
        if (atomic_compare_exchange_weak(&control->room_bytes, &room, room - bytes))
            return 1;
    return 0;
}

/* What happens before `bytes` are written at `offset` (-1: where the file stands). A write without room fails whole;
 * one within the file's size needs none. `begun_us` is set for a file that was opened so that each write is a sync. */
static int before_write(int fd, uint64_t bytes, off_t offset, uint64_t *begun_us)
{
    struct stat file;
    *begun_us = 0;
    if (!(control->write_delay_us | control->sync_delay_us | control->full | control->broken))
        return 0;
    if (!on_the_disk(fd, &file))
        return 0;
    if (control->write_delay_us) {
        wait_us(control->write_delay_us);
        ++control->writes_delayed;
    }
    if (control->broken & BROKEN_WRITES)
        return refuse(&control->refused_broken, EIO);
    int flags = fcntl(fd, F_GETFL);
    off_t at = flags & O_APPEND ? file.st_size : offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    off_t grows = at + (off_t)bytes - file.st_size;
    if (control->full && grows > 0 && !takes_room((uint64_t)grows))
        return refuse(&control->refused_full, ENOSPC);
    *begun_us = flags & O_DSYNC ? now_us() : 0;
    return before_sync(*begun_us);
}

static uint64_t size(const struct iovec *parts, int count)
{
    uint64_t bytes = 0;
    for (int each = 0; each < count; each++)
        bytes += parts[each].iov_len;
    return bytes;
}

#define PASS(type, refused, ...)                         \
    if (refused)                                         \
        return -1;                                       \
    type done = (type)syscall(__VA_ARGS__);              \
    after_sync(begun_us);                                \
    return done;
#define SYNC(name) int name(int fd) {                    \
    struct stat file;                                    \
    uint64_t begun_us = on_the_disk(fd, &file) ? now_us() : 0; \
    PASS(int, before_sync(begun_us), SYS_##name, fd) }
#define WRITE(bytes, offset, ...) {                      \
    uint64_t begun_us;                                   \
    PASS(ssize_t, before_write(fd, bytes, offset, &begun_us), __VA_ARGS__) }

SYNC(fsync)
SYNC(fdatasync)
ssize_t write(int fd, const void *from, size_t bytes) WRITE(bytes, -1, SYS_write, fd, from, bytes)
ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) WRITE(bytes, at, SYS_pwrite64, fd, from, bytes, at)
ssize_t writev(int fd, const struct iovec *from, int parts) WRITE(size(from, parts), -1, SYS_writev, fd, from, parts)
ssize_t pwritev(int fd, const struct iovec *from, int parts, off_t at)
    WRITE(size(from, parts), at, SYS_pwritev, fd, from, parts, at, 0L)

/* What `df` asks, and with it the broker's disk alarm. */
int statvfs(const char *restrict path, struct statvfs *restrict found)
{
    struct stat file;
    int fd = open(path, O_PATH | O_CLOEXEC), done = fd < 0 ? -1 : fstatvfs(fd, found);
    if (!done && control->full == FULL_SEEN_BY_DF && !fstat(fd, &file) && file.st_dev == device) {
        uint64_t room = control->room_bytes / found->f_frsize;
        found->f_bavail = room < found->f_bavail ? room : found->f_bavail;
        found->f_bfree = found->f_bavail;
    }
    if (fd >= 0)
        close(fd);
    return done;
}

/* The same under the names by which programs made for large files ask. */
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));
int statvfs64(const char *restrict, struct statvfs64 *restrict) __attribute__((alias("statvfs")));
