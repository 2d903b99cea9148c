#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>

// The memory of the simulator. A seed allocates and frees small things a hundred times in a
// simulated second, always on one thread: lists of free blocks, one for each size and thread, take
// and give in a few instructions. Nothing goes back before the program ends. Not with sanitizers,
// which must see each block.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PM_OWN_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PM_OWN_POOL 0
#endif
#endif
#ifndef PM_OWN_POOL
#define PM_OWN_POOL 1
#endif

#if PM_OWN_POOL
namespace pointsman {
namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kClasses = 128;  // Up to 2 KiB; what is larger comes from malloc().
constexpr std::size_t kChunk = 1 << 20;

// Before each block; as long as the alignment that every block has.
struct alignas(kStep) Head {
  std::size_t size_class;  // kClasses: of malloc().
};
struct Free {
  Free* next;
};

struct Pool {
  std::array<Free*, kClasses> free{};
  std::byte* at = nullptr;  // Of the chunk that is being cut.
  std::size_t left = 0;
};
constinit thread_local Pool pool;

void* headed(void* memory, std::size_t size_class) {
  if (memory == nullptr) throw std::bad_alloc();
  return ::new (memory) Head{size_class} + 1;
}

void* cut(std::size_t size_class) {
  const std::size_t size = sizeof(Head) + (size_class + 1) * kStep;
  if (pool.left < size) {
    pool.at = static_cast<std::byte*>(std::malloc(kChunk));
    pool.left = pool.at == nullptr ? 0 : kChunk;
    if (pool.at == nullptr) throw std::bad_alloc();
  }
  void* const memory = pool.at;
  pool.at += size;
  pool.left -= size;
  return headed(memory, size_class);
}

void* take(std::size_t size) {
  const std::size_t size_class = size == 0 ? 0 : (size - 1) / kStep;
  if (size_class >= kClasses) return headed(std::malloc(sizeof(Head) + size), kClasses);
  Free*& first = pool.free[size_class];
  if (first == nullptr) return cut(size_class);
  Free* const block = first;
  first = block->next;
  return block;
}

void give(void* block) noexcept {
  if (block == nullptr) return;
  Head* const head = static_cast<Head*>(block) - 1;
  const std::size_t size_class = head->size_class;
  if (size_class >= kClasses) return std::free(head);
  pool.free[size_class] = ::new (block) Free{pool.free[size_class]};
}

}  // namespace
}  // namespace pointsman

void* operator new(std::size_t size) { return pointsman::take(size); }
void* operator new[](std::size_t size) { return pointsman::take(size); }
void operator delete(void* block) noexcept { pointsman::give(block); }
void operator delete[](void* block) noexcept { pointsman::give(block); }
void operator delete(void* block, std::size_t) noexcept { pointsman::give(block); }
void operator delete[](void* block, std::size_t) noexcept { pointsman::give(block); }
#endif
