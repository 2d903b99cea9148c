#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

// What is to be done once: a callable that is moved and never copied. Most of what the simulator
// queues is small, and lies in the task itself.

namespace pointsman {

class Task {
 public:
  Task() = default;
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, Task>) Task(F&& what) {
    using Held = std::decay_t<F>;
    if constexpr (fits<Held>) {
      ::new (place_) Held(std::forward<F>(what));
      how_ = &kHow<Held>;
    } else {
      ::new (place_) Held*(new Held(std::forward<F>(what)));
      how_ = &kHowFar<Held>;
    }
  }
  Task(Task&& other) noexcept { take(other); }
  Task& operator=(Task&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { clear(); }

  void operator()() { how_->run(place_); }

 private:
  static constexpr std::size_t kPlace = 56;
  template <typename Held>
  static constexpr bool fits =
      sizeof(Held) <= kPlace &&
      alignof(Held) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Held>;

  struct How {
    void (*run)(void*);
    void (*move)(void* from, void* to);
    void (*end)(void*);
  };
  template <typename Held>
  static constexpr How kHow{[](void* at) { (*static_cast<Held*>(at))(); },
                            [](void* from, void* to) {
                              ::new (to) Held(std::move(*static_cast<Held*>(from)));
                              static_cast<Held*>(from)->~Held();
                            },
                            [](void* at) { static_cast<Held*>(at)->~Held(); }};
  template <typename Held>
  static constexpr How kHowFar{
      [](void* at) { (**static_cast<Held**>(at))(); },
      [](void* from, void* to) { ::new (to) Held*(*static_cast<Held**>(from)); },
      [](void* at) { delete *static_cast<Held**>(at); }};

  void take(Task& other) {
    how_ = std::exchange(other.how_, nullptr);
    if (how_ != nullptr) how_->move(other.place_, place_);
  }
  void clear() {
    if (how_ != nullptr) how_->end(place_);
    how_ = nullptr;
  }

  const How* how_ = nullptr;
  alignas(std::max_align_t) std::byte place_[kPlace];
};

}  // namespace pointsman
