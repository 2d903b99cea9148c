#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/dns.h"
#include "base/log.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kNameMost = 255;
constexpr std::size_t kLabelMost = 63;

Error bad_name(std::string_view text, std::string_view why) {
  constexpr std::size_t kShown = 300;
  return {ErrorCode::kInvalid,
          fmt::format("\"{}\" is no domain name: {}", printable(text.substr(0, kShown)), why)};
}

// One character of presentation form, which may be an escape; `at` is moved behind it.
std::optional<char> take_char(std::string_view text, std::size_t& at) {
  const char c = text[at++];
  if (c != '\\') return c > ' ' && c < 0x7f ? std::optional(c) : std::nullopt;
  if (at == text.size()) return std::nullopt;
  if (text[at] < '0' || text[at] > '9') return text[at++];
  if (text.size() - at < 3) return std::nullopt;
  int value = 0;
  for (int i = 0; i < 3; ++i, ++at) {
    if (text[at] < '0' || text[at] > '9') return std::nullopt;
    value = value * 10 + (text[at] - '0');
  }
  if (value > 255) return std::nullopt;
  return static_cast<char>(value);
}

void append_label(std::string& to, std::string_view label) {
  to.push_back(static_cast<char>(label.size()));
  to.append(label);
}

}  // namespace

Result<DnsName> DnsName::parse(std::string_view text) {
  if (text.empty()) return bad_name(text, "empty");
  if (text == ".") return DnsName();
  std::string wire;
  std::string label;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '.') {
      if (label.empty()) return bad_name(text, "empty label");
      append_label(wire, label);
      label.clear();
      ++at;
    } else {
      const auto c = take_char(text, at);
      if (!c) return bad_name(text, "character or escape not allowed");
      label.push_back(*c);
      if (label.size() > kLabelMost) return bad_name(text, "label above 63 bytes");
    }
    if (wire.size() + label.size() + 2 > kNameMost) return bad_name(text, "above 255 bytes");
  }
  if (!label.empty()) append_label(wire, label);
  wire.push_back('\0');
  if (wire.size() > kNameMost) return bad_name(text, "above 255 bytes");
  return DnsName(std::move(wire));
}

Result<DnsName> DnsName::from_wire(std::string_view wire) {
  if (wire.size() > kNameMost) return Error{ErrorCode::kInvalid, "DNS name above 255 bytes"};
  std::size_t at = 0;
  while (at < wire.size() && wire[at] != 0) {
    const auto length = static_cast<unsigned char>(wire[at]);
    if (length > kLabelMost) return Error{ErrorCode::kInvalid, "DNS label above 63 bytes"};
    at += length + 1u;
  }
  if (at + 1 != wire.size()) return Error{ErrorCode::kInvalid, "DNS name is cut off or too long"};
  return DnsName(std::string(wire));
}

std::string DnsName::text() const {
  if (wire_.size() == 1) return ".";
  std::string out;
  for (std::size_t at = 0; wire_[at] != 0;) {
    const auto length = static_cast<unsigned char>(wire_[at]);
    if (!out.empty()) out.push_back('.');
    for (const char c : std::string_view(wire_).substr(at + 1, length)) {
      if (c <= ' ' || c >= 0x7f) {
        out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
      } else {
        if (std::string_view(".\\\"();@$").find(c) != std::string_view::npos) out.push_back('\\');
        out.push_back(c);
      }
    }
    at += length + 1u;
  }
  return out;
}

std::string DnsName::canonical_wire() const {
  // A length byte is at most 63, below 'A': it is never mistaken for a letter.
  std::string out = wire_;
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::size_t DnsName::label_count() const {
  std::size_t count = 0;
  for (std::size_t at = 0; wire_[at] != 0; at += static_cast<unsigned char>(wire_[at]) + 1u) {
    ++count;
  }
  return count;
}

bool DnsName::is_within(const DnsName& zone) const {
  const std::size_t mine = label_count(), theirs = zone.label_count();
  if (mine < theirs) return false;
  std::size_t at = 0;
  for (std::size_t skip = mine - theirs; skip > 0; --skip) {
    at += static_cast<unsigned char>(wire_[at]) + 1u;
  }
  return canonical_wire().substr(at) == zone.canonical_wire();
}

DnsName DnsName::parent() const {
  CHECK(wire_[0] != 0);
  return DnsName(wire_.substr(static_cast<unsigned char>(wire_[0]) + 1u));
}

Result<DnsName> DnsName::below(std::string_view label) const {
  if (label.empty() || label.size() > kLabelMost || wire_.size() + label.size() + 1 > kNameMost) {
    return bad_name(text(), fmt::format("no room for \"{}\" before it", printable(label)));
  }
  std::string wire;
  append_label(wire, label);
  return DnsName(wire + wire_);
}

}  // namespace pointsman
