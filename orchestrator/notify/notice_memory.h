#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "orchestrator/notify/outbox.h"

// What a monitor remembers of its notices across a restart, as the text of a small file. Pure.

namespace pointsman {

struct NoticeMemory {
  std::vector<KeptNotice> kept;
  std::vector<NoticeItem> standing;            // Told, and not over.
  std::map<std::string, std::int64_t> tested;  // Channel -> seconds since 1970 of its last test.
  std::map<std::string, std::string> moves;    // Service -> the last move that people were told of.
};

std::string to_text(const NoticeMemory& memory);
// kInvalid: not of our making; the message says what is wrong.
Result<NoticeMemory> notice_memory_from(std::string_view text);

}  // namespace pointsman
