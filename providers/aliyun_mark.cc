#include "providers/aliyun_mark.h"

#include <fmt/format.h>

#include <array>

#include "base/crypto.h"

namespace pointsman {
namespace {

constexpr std::string_view kOurs = "pm.";
constexpr char kEnd = '.';  // A mark that was cut short on the far side is none.

// Words that marks repeat. Whatever else a mark holds is spelled byte by byte, so any mark can be
// kept that is short enough.
struct Short {
  std::string_view text;
  char sign;
};
constexpr std::array<Short, 5> kShorts{{
    {"pointsman service=", 'p'},
    {" epoch=", 'e'},
    {" reign=", 'r'},
    {" site=", 's'},
    {"_", '_'},
}};

bool plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

std::string spelled(std::string_view mark) {
  std::string out(kOurs);
  while (!mark.empty()) {
    const Short* found = nullptr;
    for (const Short& one : kShorts) {
      if (mark.starts_with(one.text)) found = &one;
    }
    if (found != nullptr) {
      out += {'_', found->sign};
      mark.remove_prefix(found->text.size());
      continue;
    }
    if (plain(mark.front())) {
      out.push_back(mark.front());
    } else {
      out += "_x" + hex(mark.substr(0, 1));
    }
    mark.remove_prefix(1);
  }
  return out + kEnd;
}

// One sign behind "_", taken off `text`; nullopt when there is no such sign.
std::optional<std::string> signed_word(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const char sign = text.front();
  text.remove_prefix(1);
  if (sign == 'x') {
    const auto byte = from_hex(text.substr(0, 2));
    if (text.size() < 2 || !byte.ok()) return std::nullopt;
    text.remove_prefix(2);
    return *byte;
  }
  for (const Short& one : kShorts) {
    if (one.sign == sign) return std::string(one.text);
  }
  return std::nullopt;
}

std::optional<std::string> unspelled(std::string_view text) {
  if (!text.starts_with(kOurs)) return std::nullopt;
  text.remove_prefix(kOurs.size());
  if (!text.ends_with(kEnd)) return std::nullopt;
  text.remove_suffix(1);
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '_') {
      if (!plain(c)) return std::nullopt;
      out.push_back(c);
      continue;
    }
    const auto word = signed_word(text);
    if (!word) return std::nullopt;
    out += *word;
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::size_t characters(std::string_view utf8) {
  std::size_t out = 0;
  for (const char c : utf8) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) ++out;
  }
  return out;
}

}  // namespace

AliyunRemark read_remark(std::string_view remark) {
  const auto comma = remark.rfind(',');
  const std::string_view last = comma == std::string_view::npos ? remark : remark.substr(comma + 1);
  auto mark = unspelled(last);
  if (!mark) return {std::string(remark), ""};
  return {std::string(comma == std::string_view::npos ? "" : remark.substr(0, comma)),
          *std::move(mark)};
}

std::optional<std::string> make_remark(const AliyunRemark& remark) {
  std::string out = remark.words;
  if (!remark.mark.empty()) out += (out.empty() ? "" : ",") + spelled(remark.mark);
  if (characters(out) > kAliyunRemarkMost) return std::nullopt;
  const AliyunRemark back = read_remark(out);
  if (back.words != remark.words || back.mark != remark.mark) return std::nullopt;
  return out;
}

}  // namespace pointsman
