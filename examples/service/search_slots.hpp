#pragma once

#include <condition_variable>
#include <cstddef>
#include <exemplar_svm/index.hpp>
#include <memory>
#include <mutex>
#include <vector>

/// Everything one search needs. Slots are made beforehand, so a search allocates nothing.
struct SearchSlot {
    SearchSlot(const exemplar_svm::Index<float>& index, std::size_t max_k,
               std::size_t max_positives);

    exemplar_svm::Workspace<float> workspace;
    std::vector<float> scores;
    std::vector<exemplar_svm::RowNumber> rows;
};

/// As many slots as searches may run at once, which bounds the busy processors, however many
/// connections there are.
class SearchSlots {
    struct Return {
        SearchSlots* owner;
        void operator()(SearchSlot* slot) const noexcept { owner->give_back(slot); }
    };

  public:
    /// Returns its slot when destroyed; empty if no slot was free in time.
    using Lease = std::unique_ptr<SearchSlot, Return>;

    /// @param max_waiting  how many searches may wait for a slot
    SearchSlots(const exemplar_svm::Index<float>& index, std::size_t n_slots,
                std::size_t max_waiting, std::size_t max_k, std::size_t max_positives);

    /// Waits for a slot until the deadline.
    /// @throws RequestError if too many searches wait already
    Lease take(std::chrono::steady_clock::time_point deadline);

  private:
    void give_back(SearchSlot* slot) noexcept;

    const std::size_t max_waiting_;
    std::size_t n_waiting_ = 0;
    std::vector<SearchSlot> slots_;
    std::vector<SearchSlot*> free_;  // last in, first out: the last slot used is still in cache
    std::mutex mutex_;
    std::condition_variable returned_;
};
