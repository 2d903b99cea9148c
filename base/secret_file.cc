#include "base/secret_file.h"

#include <sys/stat.h>

#include <cstdlib>

#include "base/file.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretMost = 64 << 10;

// "" when systemd handed over no such credential. An empty line stands for none: our unit has it as
// a default (SetCredential=), so that it starts where a secret is not needed.
std::string in_credentials_directory(const std::string& name) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') return "";
  const auto slash = name.rfind('/');
  const std::string last = slash == std::string::npos ? name : name.substr(slash + 1);
  if (last.empty()) return "";
  std::string path = std::string(folder) + "/" + last;
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_size > 1 ? path : "";
}

}  // namespace

std::string secret_path(const std::string& base_file, const std::string& name) {
  std::string path = in_credentials_directory(name);
  return path.empty() ? beside(base_file, name) : path;
}

Result<void> check_secret(const std::string& base_file, const std::string& name) {
  if (!in_credentials_directory(name).empty()) return {};
  return check_secret_file(beside(base_file, name));
}

Result<std::string> read_secret(const std::string& base_file, const std::string& name) {
  RETURN_IF_ERROR(check_secret(base_file, name));
  const std::string path = secret_path(base_file, name);
  auto content = read_file(path, kSecretMost);
  if (!content) return content;
  std::string secret = *std::move(content);
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) return {ErrorCode::kInvalid, path + ": the secret is empty"};
  return secret;
}

}  // namespace pointsman
