#include "search_slots.hpp"

#include "request.hpp"

namespace esvm = exemplar_svm;

SearchSlot::SearchSlot(const esvm::Index<float>& index, std::size_t max_k,
                       std::size_t max_positives)
    : workspace(index, max_k, max_positives), scores(max_k), rows(max_k) {}

SearchSlots::SearchSlots(const esvm::Index<float>& index, std::size_t n_slots,
                         std::size_t max_waiting, std::size_t max_k, std::size_t max_positives)
    : max_waiting_(max_waiting) {
    slots_.reserve(n_slots);
    for (std::size_t i = 0; i < n_slots; ++i) slots_.emplace_back(index, max_k, max_positives);
    free_.reserve(n_slots);
    for (SearchSlot& slot : slots_) free_.push_back(&slot);
}

SearchSlots::Lease SearchSlots::take(std::chrono::steady_clock::time_point deadline) {
    const auto is_one_free = [this] { return !free_.empty(); };
    std::unique_lock lock(mutex_);
    if (!is_one_free()) {
        if (n_waiting_ == max_waiting_) {
            throw RequestError(503, "too many searches wait here: ask again later");
        }
        ++n_waiting_;
        bool is_in_time = true;
        // Waiting until the end of time overflows in some standard libraries.
        if (deadline == std::chrono::steady_clock::time_point::max()) {
            returned_.wait(lock, is_one_free);
        } else {
            is_in_time = returned_.wait_until(lock, deadline, is_one_free);
        }
        --n_waiting_;
        if (!is_in_time) return Lease(nullptr, Return{this});
    }
    SearchSlot* const slot = free_.back();
    free_.pop_back();
    return Lease(slot, Return{this});
}

void SearchSlots::give_back(SearchSlot* slot) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        free_.push_back(slot);  // within its capacity: does not allocate
    }
    returned_.notify_one();
}
