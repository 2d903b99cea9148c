#pragma once

#include <optional>
#include <string>
#include <string_view>

// Where a mark is kept at Aliyun DNS: in the remark of a record, behind the operator's own words.
// The vendor takes 50 characters there, of digits, letters, Chinese and `_ - , .` alone, so a mark
// is spelled in fewer: "main-site,pm._pim-api_e2_r0123456789abcdef_ssh.".

namespace pointsman {

constexpr std::size_t kAliyunRemarkMost = 50;  // Characters, not bytes.

struct AliyunRemark {
  std::string words;  // The operator's.
  std::string mark;   // Ours; "" when there is none.
};

// Never fails: a remark that holds no mark of ours is all words.
AliyunRemark read_remark(std::string_view remark);

// What to write; nullopt when words and mark do not fit, or the mark cannot be told apart again.
std::optional<std::string> make_remark(const AliyunRemark& remark);

}  // namespace pointsman
