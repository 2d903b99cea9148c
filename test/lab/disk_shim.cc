// A disk that fails or is slow, as a library to be preloaded: fsync() and fdatasync() do as the
// file POINTSMAN_DISK says. "eio": fail, as long as the file is there. "eio-once": fail once, and
// the file is removed. "slow MS": take so long first.

#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using Sync = int (*)(int);

// What the file says now; "" when there is none.
void read_orders(const char* path, char* out, std::size_t size) {
  out[0] = '\0';
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t got = read(fd, out, size - 1);
  out[got < 0 ? 0 : got] = '\0';
  close(fd);
}

int synced(const char* name, int fd) {
  const char* path = std::getenv("POINTSMAN_DISK");
  char orders[64];
  if (path != nullptr) {
    read_orders(path, orders, sizeof orders);
    int slow_ms = 0;
    if (std::sscanf(orders, "slow %d", &slow_ms) == 1) {
      const timespec rest{slow_ms / 1000, slow_ms % 1000 * 1000000L};
      nanosleep(&rest, nullptr);
    } else if (std::strncmp(orders, "eio", 3) == 0) {
      if (std::strncmp(orders, "eio-once", 8) == 0) unlink(path);
      errno = EIO;
      return -1;
    }
  }
  return reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" int fsync(int fd) { return synced("fsync", fd); }
extern "C" int fdatasync(int fd) { return synced("fdatasync", fd); }
