#include "base/file_digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/crypto.h"
#include "base/descriptor.h"

namespace pointsman {
namespace {

Error failed(const char* doing, const std::string& path) {
  return {ErrorCode::kInternal, fmt::format("{} {}: {}", doing, path, std::strerror(errno))};
}

}  // namespace

Result<FileDigest> digest_on_disk(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.any()) return failed("opening", path);
  if (fsync(file.get()) != 0) return failed("syncing", path);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return {ErrorCode::kInternal, "no SHA-256"};
  }
  FileDigest digest;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("reading", path);
    if (got == 0) break;
    digest.bytes += static_cast<std::uint64_t>(got);
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(got));
  }
  std::string raw(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
  raw.resize(size);
  digest.sha256 = hex(raw);
  return digest;
}

Result<void> sync_folder(const std::string& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.any()) return failed("opening", path);
  if (fsync(folder.get()) != 0) return failed("syncing", path);
  return {};
}

}  // namespace pointsman
