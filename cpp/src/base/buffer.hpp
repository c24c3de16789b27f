#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace exemplar_svm {

/// Per-row values that snapshots of an index share. A copy shares the memory and sees no more than
/// its own size. Values are written once, before any other snapshot sees them, so a snapshot may be
/// read while the next one is made behind it. Full memory is doubled; the old memory lives as long
/// as a buffer refers to it.
template <class V>
class Buffer {
    static_assert(std::is_trivially_copyable_v<V>);

  public:
    Buffer() = default;

    /// Borrowed values.
    Buffer(const V* borrowed, std::size_t size) noexcept : data_(borrowed), size_(size) {}

    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept { return size_ * sizeof(V); }
    bool empty() const noexcept { return size_ == 0; }
    const V* data() const noexcept { return data_; }
    const V& operator[](std::size_t i) const noexcept { return data_[i]; }
    const V* begin() const noexcept { return data_; }
    const V* end() const noexcept { return data_ + size_; }

    /// Appends n zeros and returns them; write them before this buffer is copied. Other buffers do
    /// not change. Takes time in the order of n, unless the memory is full or borrowed, or another
    /// buffer has appended to it: then all values are copied.
    V* extend(std::size_t n) {
        if (n == 0) return nullptr;
        if (!has_room(n)) move_to(size_ == 0 ? n : std::max(size_ + n, 2 * size_), size_ + n);
        V* const added = storage_->values.get() + size_;
        std::fill_n(added, n, V{});
        size_ += n;
        return added;
    }

    void append(const V* values, std::size_t n) { std::copy_n(values, n, extend(n)); }

  private:
    // A cache line: scans then read rows in step with the lines.
    static constexpr std::align_val_t alignment{64};
    struct Delete {
        void operator()(V* values) const noexcept { ::operator delete[](values, alignment); }
    };
    struct Storage {
        std::unique_ptr<V[], Delete>
            values;  // uninitialised, so that pages are taken as they are needed
        std::size_t capacity;
        std::atomic<std::size_t> used;
    };

    /// Reserves the n values behind these, if they are free.
    bool has_room(std::size_t n) noexcept {
        if (storage_ == nullptr || storage_->capacity - size_ < n) return false;
        std::size_t used = size_;
        return storage_->used.compare_exchange_strong(used, size_ + n);
    }

    void move_to(std::size_t capacity, std::size_t used) {
        constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(V);
        if (capacity > most) throw std::bad_array_new_length();
        auto storage = std::make_shared<Storage>();
        storage->values.reset(static_cast<V*>(::operator new[](capacity * sizeof(V), alignment)));
        storage->capacity = capacity;
        storage->used = used;
        std::copy_n(data_, size_, storage->values.get());
        storage_ = std::move(storage);
        data_ = storage_->values.get();
    }

    std::shared_ptr<Storage> storage_;  // null: borrowed
    const V* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace exemplar_svm
