#pragma once

#include <string_view>

namespace exemplar_svm {

/// Instruction sets the kernels are compiled for. Which of them exist in a build depends on the
/// target architecture; which of those can run depends on the processor and the operating system.
enum class Isa { baseline, avx2, avx512, neon };

inline constexpr Isa all_isas[] = {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon};

/// "baseline", "avx2", "avx512" or "neon".
std::string_view isa_name(Isa isa) noexcept;

/// Whether this build has the kernels and this machine can run them. On x86, CPUID asks the
/// processor and XGETBV the operating system: registers that it does not save are not usable.
bool isa_supported(Isa isa) noexcept;

/// The instruction set in use: the widest supported one, unless the environment variable
/// EXEMPLAR_SVM_ISA names another. Decided once per process.
/// @throws std::invalid_argument if the variable names an unknown or unsupported instruction set.
Isa active_isa();

}  // namespace exemplar_svm
