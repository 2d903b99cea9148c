#include "orchestrator/shell/journal_chain.h"

#include <fmt/format.h>

#include "base/crypto.h"

namespace pointsman {
namespace {

void append(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((number >> shift) & 0xff));
  }
}

void append(std::string& out, std::string_view bytes) {
  append(out, static_cast<std::uint64_t>(bytes.size()));
  out.append(bytes);
}

constexpr std::size_t kInputsMost = 256 << 10;

// What was seen must never keep a decision from being saved: too much of it is left out, and said.
std::string inputs_text(const Json& inputs) {
  std::string text = inputs.is_null() ? "{}" : inputs.dump();
  if (text.size() <= kInputsMost) return text;
  return fmt::format("{{\"left_out_bytes\":{}}}", text.size());
}

}  // namespace

std::string chain_start() { return std::string(32, '\0'); }

std::string chain_next(std::string_view previous, const StoredEntry& stored) {
  const JournalEntry& e = stored.entry;
  std::string text;
  append(text, std::string_view("pointsman-journal-1"));
  append(text, previous);
  append(text, e.number);
  append(text, static_cast<std::uint64_t>(e.at.ns));
  append(text, std::string_view(e.service));
  append(text, std::string_view(e.kind));
  append(text, std::string_view(e.rule));
  append(text, e.epoch);
  append(text, std::string_view(e.move));
  append(text, std::string_view(e.actor));
  append(text, std::string_view(e.outcome));
  append(text, std::string_view(e.reason));
  append(text, std::string_view(stored.inputs));
  return digest(Hash::kSha256, text);
}

std::string head_checksum(const StoreHead& head) {
  std::string text;
  append(text, std::string_view("pointsman-head-1"));
  append(text, head.entries);
  append(text, std::string_view(head.last_hash));
  append(text, head.counter);
  append(text, static_cast<std::uint64_t>(head.states.size()));
  for (const auto& [service, state] : head.states) {
    append(text, std::string_view(service));
    append(text, std::string_view(state));
  }
  return digest(Hash::kSha256, text);
}

PlannedBatch plan_batch(StoreHead head, const SaveBatch& batch) {
  PlannedBatch planned;
  for (const JournalEntry& entry : batch.journal) {
    StoredEntry stored{entry, inputs_text(entry.inputs)};
    stored.entry.number = head.entries + 1;
    stored.entry.hash = chain_next(head.last_hash, stored);
    head.entries = stored.entry.number;
    head.last_hash = stored.entry.hash;
    planned.entries.push_back(std::move(stored));
  }
  for (const auto& [service, json] : batch.states) {
    head.states[service] = digest(Hash::kSha256, json);
  }
  if (batch.counter) head.counter = *batch.counter;
  planned.head = std::move(head);
  return planned;
}

}  // namespace pointsman
