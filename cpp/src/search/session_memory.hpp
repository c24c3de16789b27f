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

/// What the next search of a session begins with, besides what the last one has left in the
/// scratch.
template <Real T>
struct SessionMemory {
    /// Where the dual coefficients of the last search are.
    enum class Holds : std::uint8_t {
        nothing,
        panel,  ///< in the working set's solution; the panel still holds its rows
        rows,   ///< in that of all rows
    };

    Holds holds = Holds::nothing;
    std::vector<double> example_dual;         ///< of the next search's examples, in its order
    double seconds_to_gather = 0.0;           ///< what copying the rows of the panel has taken
    const SharedSketch<T>* sketch = nullptr;  ///< scanned in place of rows that have none
};

}  // namespace exemplar_svm
