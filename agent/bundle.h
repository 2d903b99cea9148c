#pragma once

#include <string>
#include <vector>

#include "agent/rejoiner.h"

// A bundle: what only this site's stores held, written down before any of it is given up. A folder
// under state_dir/bundles with the stores' own files and manifest.json, which names each by size
// and SHA-256 and is written last: a bundle with a manifest is whole and on disk.

namespace pointsman {

struct BundleEntry {
  std::string store;
  std::string what;  // As the survey named it.
  Json holds;        // As write_down() told it; its "text" is for people.
};

struct Bundle {
  std::string folder;
  std::vector<BundleEntry> stores;

  std::string text() const;  // What it holds, for people.
};

// The folder of one rejoin.
std::string bundle_folder(const std::string& state_dir, const std::string& service,
                          const std::string& move);

// kNotFound: there is none, or it was never completed. kInvalid: its manifest cannot be read, or a
// file is not there as it says.
Result<Bundle> read_bundle(const std::string& folder);

// An empty folder to write into, beside its later place; whatever an earlier attempt left is gone.
Result<std::string> begin_bundle(const std::string& folder);

// Completes it: every file synced and listed, the manifest written, the folder renamed into place.
Result<void> complete_bundle(const Bundle& bundle, const std::string& written_in, Json about);

}  // namespace pointsman
