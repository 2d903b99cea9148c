#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

// What is to be done: a callable that is moved and never copied. Most of what the simulator queues
// is small, and lies in the task itself.

namespace pointsman {

template <typename... Args>
class TaskOf {
 public:
  TaskOf() = default;
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, TaskOf>) TaskOf(F&& what) {
    using Held = std::decay_t<F>;
    if constexpr (fits<Held>) {
      ::new (place_) Held(std::forward<F>(what));
      how_ = &kHow<Held>;
    } else {
      ::new (place_) Held*(new Held(std::forward<F>(what)));
      how_ = &kHowFar<Held>;
    }
  }
  TaskOf(TaskOf&& other) noexcept { take(other); }
  TaskOf& operator=(TaskOf&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  TaskOf(const TaskOf&) = delete;
  TaskOf& operator=(const TaskOf&) = delete;
  ~TaskOf() { clear(); }

  void operator()(Args... args) { how_->run(place_, std::forward<Args>(args)...); }

 private:
  static constexpr std::size_t kPlace = 56;
  template <typename Held>
  static constexpr bool fits =
      sizeof(Held) <= kPlace &&
      alignof(Held) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Held>;

  struct How {
    void (*run)(void*, Args...);
    void (*move)(void* from, void* to);
    void (*end)(void*);  // nullptr: nothing to do.
  };
  template <typename Held>
  static constexpr How kHow{
      [](void* at, Args... args) { (*static_cast<Held*>(at))(std::forward<Args>(args)...); },
      [](void* from, void* to) {
        ::new (to) Held(std::move(*static_cast<Held*>(from)));
        static_cast<Held*>(from)->~Held();
      },
      std::is_trivially_destructible_v<Held> ? nullptr
                                             : +[](void* at) { static_cast<Held*>(at)->~Held(); }};
  template <typename Held>
  static constexpr How kHowFar{
      [](void* at, Args... args) { (**static_cast<Held**>(at))(std::forward<Args>(args)...); },
      [](void* from, void* to) { ::new (to) Held*(*static_cast<Held**>(from)); },
      [](void* at) { delete *static_cast<Held**>(at); }};

  void take(TaskOf& other) {
    how_ = std::exchange(other.how_, nullptr);
    if (how_ != nullptr) how_->move(other.place_, place_);
  }
  void clear() {
    if (how_ != nullptr && how_->end != nullptr) how_->end(place_);
    how_ = nullptr;
  }

  const How* how_ = nullptr;
  alignas(std::max_align_t) std::byte place_[kPlace];
};

using Task = TaskOf<>;

}  // namespace pointsman
