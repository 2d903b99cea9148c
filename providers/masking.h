#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

// Words of the far side, made fit for errors, logs and renders: whoever is told our secrets may
// repeat them.

namespace pointsman {

class Masking {
 public:
  // Secrets of 4 bytes and more are masked: as they are, as JSON writes them (once and within
  // another JSON text), in hex, percent-encoded, and in base64, alone or within a longer text.
  explicit Masking(const std::vector<std::string>& secrets);
  explicit Masking(const std::map<std::string, std::string>& credentials);

  std::string masked(std::string_view text) const;

  // Masked before it is cut, control characters made visible, at most `most` bytes of it: for one
  // line of a message. Of a long text only the beginning is looked at.
  std::string line(std::string_view text, std::size_t most = 300) const;

 private:
  void add(const std::string& secret);
  void add_spelling(std::string spelling);
  void sort();

  std::vector<std::string> secrets_;  // The longest first: one may hold another.
};

}  // namespace pointsman
