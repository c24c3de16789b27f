#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "model/sketch.hpp"

namespace exemplar_svm {

/// A sketch that the sessions of an index share.
template <Real T>
struct SharedSketch {
    Sketch<T> sketch;
    double max_error = 0.0;

    SharedSketch(const RowsView<T>& rows, ExecutorRef executor, const StopCondition& stop)
        : sketch(rows, StoppableExecutor(executor, stop)) {
        stop.throw_if_reached();
        for (std::size_t i = 0; i < rows.rows; ++i) {
            max_error = std::max(max_error, static_cast<double>(sketch.error(i)));
        }
    }
};

/// What the next search of a session starts from, together with the scratch of the last search.
template <Real T>
struct SessionMemory {
    /// Where the dual coefficients of the last search are.
    enum class Holds : std::uint8_t {
        nothing,
        panel,  ///< in WorkingSetScratch::solution; the panel still holds its rows
        rows,   ///< in SearchScratch::solution
    };

    Holds holds = Holds::nothing;
    std::vector<double> example_dual;         ///< of the next search's examples, in query order
    double seconds_to_gather = 0.0;           ///< time spent on copying rows into the panel
    const SharedSketch<T>* sketch = nullptr;  ///< scanned if the index has no sketch of its own
};

}  // namespace exemplar_svm
