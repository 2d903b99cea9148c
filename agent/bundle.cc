#include "agent/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/file_digest.h"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";

Error failed(const std::string& doing, const std::error_code& why) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", doing, why.message())};
}

Result<void> make_folder(const std::string& path) {
  std::error_code why;
  fs::create_directories(path, why);
  if (why) return failed("making " + path, why);
  fs::permissions(path, fs::perms::owner_all, why);
  if (why) return failed("closing " + path + " to others", why);
  return {};
}

Result<Json> list_files(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code why;
  for (fs::directory_iterator at(folder, why), end; !why && at != end; at.increment(why)) {
    names.push_back(at->path().filename().string());
  }
  if (why) return failed("listing " + folder, why);
  std::sort(names.begin(), names.end());
  Json files = Json::array();
  for (const std::string& name : names) {
    const auto digest = digest_on_disk(folder + "/" + name);
    if (!digest) return digest.error();
    files.push(
        Json::object({{"name", name}, {"bytes", digest->bytes}, {"sha256", digest->sha256}}));
  }
  return files;
}

}  // namespace

std::string Bundle::text() const {
  std::string text;
  for (const BundleEntry& entry : stores) {
    text += (text.empty() ? "" : "; ") + entry.store + ": " + entry.holds.string_or("text");
  }
  return text;
}

std::string bundle_folder(const std::string& state_dir, const std::string& service,
                          const std::string& move) {
  return fmt::format("{}/bundles/{}/{}", state_dir, service, move);
}

Result<Bundle> read_bundle(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  const auto text = read_file(path);
  if (!text) return text.error();
  const auto json = Json::parse(*text);
  if (!json) return Error{ErrorCode::kInvalid, path + ": " + json.error().message};
  Bundle bundle;
  bundle.folder = folder;
  for (const Json& file : json->array_or_empty("files")) {
    std::error_code why;
    const auto size = fs::file_size(folder + "/" + file.string_or("name"), why);
    if (why || size != static_cast<std::uintmax_t>(file.int_or("bytes"))) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("{}: {} is not there as it says", path, file.string_or("name"))};
    }
  }
  for (const Json& store : json->array_or_empty("stores")) {
    const Json* holds = store.find("holds");
    bundle.stores.push_back({store.string_or("store"), store.string_or("diverged"),
                             holds == nullptr ? Json::object() : *holds});
  }
  return bundle;
}

Result<std::string> begin_bundle(const std::string& folder) {
  const std::string part = folder + ".part";
  std::error_code why;
  fs::remove_all(part, why);
  if (why) return failed("removing " + part, why);
  RETURN_IF_ERROR(make_folder(fs::path(folder).parent_path().string()));
  RETURN_IF_ERROR(make_folder(part));
  return part;
}

Result<void> complete_bundle(const Bundle& bundle, const std::string& written_in, Json about) {
  auto files = list_files(written_in);
  if (!files) return files.error();
  Json stores = Json::array();
  for (const BundleEntry& entry : bundle.stores) {
    stores.push(
        Json::object({{"store", entry.store}, {"diverged", entry.what}, {"holds", entry.holds}}));
  }
  about.set("stores", std::move(stores));
  about.set("files", std::move(*files));
  crash_point("before-bundle", "manifest");
  RETURN_IF_ERROR(write_file_durably(written_in + "/" + kManifest, about.dump() + "\n"));
  std::error_code why;
  fs::remove_all(bundle.folder, why);  // One whose manifest was broken.
  if (why) return failed("removing " + bundle.folder, why);
  fs::rename(written_in, bundle.folder, why);
  if (why) return failed("renaming " + written_in, why);
  const fs::path above = fs::path(bundle.folder).parent_path();
  RETURN_IF_ERROR(sync_folder(above.string()));
  RETURN_IF_ERROR(sync_folder(above.parent_path().string()));
  RETURN_IF_ERROR(sync_folder(above.parent_path().parent_path().string()));
  crash_point("after-bundle", "manifest");
  return {};
}

}  // namespace pointsman
