#pragma once

#include <type_traits>

#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/real.hpp"
#include "kernels/table.hpp"

namespace exemplar_svm::kernels {

/// The kernels of one instruction set; null if this build or this machine does not have them.
const Kernels* find(Isa isa) noexcept;

/// The kernels of active_isa(). Index and train_linear_svc call active_isa() first, and so report a
/// bad EXEMPLAR_SVM_ISA. Without that call a bad value falls back to the widest supported set.
const Kernels& active() noexcept;

template <Real T>
const KernelTable<T>& active_table() noexcept {
    if constexpr (std::is_same_v<T, float>) {
        return active().f32;
    } else {
        return active().f64;
    }
}

template <Real T>
const NarrowTables<T>& active_narrow() noexcept {
    if constexpr (std::is_same_v<T, float>) {
        return active().narrow_f32;
    } else {
        return active().narrow_f64;
    }
}

}  // namespace exemplar_svm::kernels
