#include "base/config_text.h"

namespace pointsman {
namespace {

// Reads along and knows what is quoted.
class Reading {
 public:
  explicit Reading(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  bool over() const { return at_ >= text_.size(); }
  TextPlace place() const { return place_; }

  // Takes one character, or one whole quotation or comment; false: not ASCII and bare.
  bool take() {
    const char c = text_[at_];
    if (c == '#') {
      while (!over() && text_[at_] != '\n') step();
    } else if (c == '"' || c == '\'') {
      take_quoted(c);
    } else {
      if ((static_cast<unsigned char>(c) & 0x80) != 0) return false;
      step();
    }
    return true;
  }

 private:
  void step() {
    if (text_[at_] == '\n') {
      ++place_.line;
      place_.column = 1;
    } else if ((static_cast<unsigned char>(text_[at_]) & 0xc0) != 0x80) {
      ++place_.column;
    }
    ++at_;
  }

  bool is_triple(char quote) const {
    return text_.substr(at_).starts_with(std::string_view(quote == '"' ? "\"\"\"" : "'''"));
  }

  void step_triple() {
    for (int k = 0; k < 3; ++k) step();
  }

  void take_quoted(char quote) {
    const bool triple = is_triple(quote);
    if (triple) {
      step_triple();
    } else {
      step();
    }
    while (!over()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        step();
        if (!over()) step();
      } else if (triple ? is_triple(quote) : c == quote) {
        if (triple) step_triple();
        // A fourth and a fifth belong to the text before; they open nothing.
        while (triple && !over() && text_[at_] == quote) step();
        if (!triple) step();
        return;
      } else if (c == '\n' && !triple) {
        return;  // Never closed: the parser says so.
      } else {
        step();
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  TextPlace place_;
};

}  // namespace

std::optional<TextPlace> bare_non_ascii(std::string_view text) {
  Reading reading(text);
  while (!reading.over()) {
    if (!reading.take()) return reading.place();
  }
  return std::nullopt;
}

}  // namespace pointsman
