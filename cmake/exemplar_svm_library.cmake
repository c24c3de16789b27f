# The library target exemplar_svm::exemplar_svm.

include(CheckCXXSourceCompiles)

set(source_dir ${PROJECT_SOURCE_DIR}/cpp/src)

add_library(exemplar_svm
  ${source_dir}/kernels/isa.cpp
  ${source_dir}/base/cpu_quota.cpp
  ${source_dir}/base/executor.cpp
  ${source_dir}/base/settings.cpp
  ${source_dir}/base/thread_pool.cpp
  ${source_dir}/base/version.cpp
  ${source_dir}/rows/added_rows.cpp
  ${source_dir}/rows/csr_view.cpp
  ${source_dir}/rows/narrow_view.cpp
  ${source_dir}/rows/rows_view.cpp
  ${source_dir}/rows/scan.cpp
  ${source_dir}/problem/standardization.cpp
  ${source_dir}/problem/certificate.cpp
  ${source_dir}/problem/query_problem.cpp
  ${source_dir}/problem/samples.cpp
  ${source_dir}/problem/example_rows.cpp
  ${source_dir}/model/gaussian_model.cpp
  ${source_dir}/model/gram_matrix.cpp
  ${source_dir}/model/postings.cpp
  ${source_dir}/model/row_statistics.cpp
  ${source_dir}/model/sign_codes.cpp
  ${source_dir}/model/sketch.cpp
  ${source_dir}/solve/anderson.cpp
  ${source_dir}/solve/box_quadratic.cpp
  ${source_dir}/solve/cholesky.cpp
  ${source_dir}/solve/conjugate_gradients.cpp
  ${source_dir}/solve/curvature.cpp
  ${source_dir}/solve/descent_epochs.cpp
  ${source_dir}/solve/descent_scratch.cpp
  ${source_dir}/solve/descent_weights.cpp
  ${source_dir}/solve/dual_coordinate_descent.cpp
  ${source_dir}/solve/example_block.cpp
  ${source_dir}/solve/gram_descent.cpp
  ${source_dir}/solve/hessian.cpp
  ${source_dir}/solve/linear_svc.cpp
  ${source_dir}/solve/panel.cpp
  ${source_dir}/solve/polish.cpp
  ${source_dir}/solve/prepared_examples.cpp
  ${source_dir}/solve/primal_descent.cpp
  ${source_dir}/solve/primal_newton.cpp
  ${source_dir}/solve/verification.cpp
  ${source_dir}/search/choice.cpp
  ${source_dir}/search/exemplar_search.cpp
  ${source_dir}/search/plan.cpp
  ${source_dir}/search/scanned_scores.cpp
  ${source_dir}/search/solver.cpp
  ${source_dir}/search/strategies.cpp
  ${source_dir}/search/working_set.cpp
  ${source_dir}/search/workspace.cpp
  ${source_dir}/index/index.cpp
  ${source_dir}/index/session.cpp)
add_library(exemplar_svm::exemplar_svm ALIAS exemplar_svm)
target_compile_features(exemplar_svm PUBLIC cxx_std_20)
set_target_properties(exemplar_svm PROPERTIES
  CXX_EXTENSIONS OFF
  POSITION_INDEPENDENT_CODE ON
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  WINDOWS_EXPORT_ALL_SYMBOLS ON)
target_include_directories(exemplar_svm
  PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/cpp/include>
  PRIVATE ${source_dir})

# Kernels: one body, compiled once per instruction set, chosen at run time. Only these files get
# flags beyond the platform's baseline, and each exports only its function table. A file for another
# architecture than the compiler's comes out empty (kernels/architecture.hpp).
if(MSVC)
  set(kernel_flags)
  set(avx2_flags /arch:AVX2)
  set(avx512_flags /arch:AVX512)
else()
  set(kernel_flags -fno-exceptions)
  set(avx2_flags -mavx2 -mfma -mf16c)
  set(avx512_flags -mavx2 -mfma -mf16c -mavx512f -mavx512dq -mavx512vl)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's own _mm512_reduce_add_pd trips this warning.
    list(APPEND avx512_flags -Wno-uninitialized)
  endif()
endif()

if(NOT MSVC)
  # Products with sparse rows load single weights from all over memory: packing them into vectors
  # takes longer than the arithmetic.
  set_source_files_properties(${source_dir}/rows/csr_view.cpp PROPERTIES
    COMPILE_OPTIONS "-fno-tree-slp-vectorize;-fno-tree-vectorize")
endif()

function(add_kernels name)
  set(file ${source_dir}/kernels/${name}.cpp)
  target_sources(exemplar_svm PRIVATE ${file})
  set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${kernel_flags};${ARGN}")
endfunction()

# The flags are for x86-64. A universal build for macOS compiles every file once per architecture,
# and passes them to the right one.
list(LENGTH CMAKE_OSX_ARCHITECTURES n_architectures)
if(APPLE AND n_architectures GREATER 1)
  if(NOT "x86_64" IN_LIST CMAKE_OSX_ARCHITECTURES)
    set(avx2_flags)
    set(avx512_flags)
  endif()
  list(TRANSFORM avx2_flags PREPEND "-Xarch_x86_64;")
  list(TRANSFORM avx512_flags PREPEND "-Xarch_x86_64;")
else()
  # Ask the compiler, because it may be a cross compiler.
  set(CMAKE_REQUIRED_INCLUDES ${source_dir})
  check_cxx_source_compiles([[
    #include "kernels/architecture.hpp"
    #if !defined(EXEMPLAR_SVM_X86)
    #error "not x86-64"
    #endif
    int main() {}]] EXEMPLAR_SVM_COMPILES_FOR_X86)
  unset(CMAKE_REQUIRED_INCLUDES)
  if(NOT EXEMPLAR_SVM_COMPILES_FOR_X86)
    set(avx2_flags)
    set(avx512_flags)
  endif()
endif()

add_kernels(baseline)
add_kernels(avx2 ${avx2_flags})
add_kernels(avx512 ${avx512_flags})
add_kernels(neon)

if(MSVC)
  target_compile_options(exemplar_svm PRIVATE /W4 /fp:precise)
  target_compile_definitions(exemplar_svm PRIVATE _USE_MATH_DEFINES NOMINMAX)
  if(EXEMPLAR_SVM_WERROR)
    target_compile_options(exemplar_svm PRIVATE /WX)
  endif()
else()
  # Kernels call fused multiply-adds by name. Elsewhere fusing is off, so that a result does not
  # depend on what a compiler fuses.
  target_compile_options(exemplar_svm PRIVATE
    -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(exemplar_svm PRIVATE -O3)
  endif()
  if(EXEMPLAR_SVM_WERROR)
    target_compile_options(exemplar_svm PRIVATE -Werror)
  endif()
endif()

if(EXEMPLAR_SVM_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    # Only the executor uses OpenMP.
    target_link_libraries(exemplar_svm PRIVATE OpenMP::OpenMP_CXX)
  else()
    message(WARNING "OpenMP was not found: exemplar_svm will run on the calling thread only, "
      "unless a program brings an executor of its own")
  endif()
else()
  message(STATUS "exemplar_svm is built without OpenMP: it runs on the calling thread only, "
    "unless a program brings an executor of its own")
endif()

if(EXEMPLAR_SVM_SANITIZE)
  target_compile_options(exemplar_svm PUBLIC
    -fsanitize=${EXEMPLAR_SVM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
  target_link_options(exemplar_svm PUBLIC -fsanitize=${EXEMPLAR_SVM_SANITIZE})
endif()
