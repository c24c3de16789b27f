# The installed package: headers, library, CMake configuration and pkg-config file. A wheel has the
# same files in the Python package's folder, so `pip install` is enough to build a C++ program.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(SKBUILD)
  set(include_dir exemplar_svm/include)
  set(library_dir exemplar_svm/lib)
  set(runtime_dir exemplar_svm/bin)
else()
  set(include_dir ${CMAKE_INSTALL_INCLUDEDIR})
  set(library_dir ${CMAKE_INSTALL_LIBDIR})
  set(runtime_dir ${CMAKE_INSTALL_BINDIR})
endif()
set(config_dir ${library_dir}/cmake/exemplar_svm)

install(TARGETS exemplar_svm EXPORT exemplar_svm-targets
  ARCHIVE DESTINATION ${library_dir} COMPONENT development
  LIBRARY DESTINATION ${library_dir} COMPONENT development
  RUNTIME DESTINATION ${runtime_dir} COMPONENT development
  INCLUDES DESTINATION ${include_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/cpp/include/exemplar_svm
  DESTINATION ${include_dir} COMPONENT development FILES_MATCHING PATTERN "*.hpp")
install(EXPORT exemplar_svm-targets NAMESPACE exemplar_svm::
  DESTINATION ${config_dir} COMPONENT development)

# Programs that link the static library must also link its dependencies; a shared one contains them.
get_target_property(library_type exemplar_svm TYPE)
set(exemplar_svm_needs_openmp OFF)
if(OpenMP_CXX_FOUND AND library_type STREQUAL "STATIC_LIBRARY")
  set(exemplar_svm_needs_openmp ON)
endif()
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/exemplar_svm-config.cmake.in
  ${PROJECT_BINARY_DIR}/exemplar_svm-config.cmake
  INSTALL_DESTINATION ${config_dir})
# Before 1.0 a minor version may break its users: see docs/cpp.md.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/exemplar_svm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/exemplar_svm-config.cmake
  ${PROJECT_BINARY_DIR}/exemplar_svm-config-version.cmake
  DESTINATION ${config_dir} COMPONENT development)

if(NOT MSVC)
  set(pkg_config_dir ${library_dir}/pkgconfig)
  file(RELATIVE_PATH pkg_config_to_prefix
    ${CMAKE_INSTALL_PREFIX}/${pkg_config_dir} ${CMAKE_INSTALL_PREFIX})
  set(pkg_config_libs "")
  if(exemplar_svm_needs_openmp)
    set(pkg_config_libs "${OpenMP_CXX_FLAGS}")
  endif()
  configure_file(${CMAKE_CURRENT_LIST_DIR}/exemplar_svm.pc.in
    ${PROJECT_BINARY_DIR}/exemplar_svm.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/exemplar_svm.pc
    DESTINATION ${pkg_config_dir} COMPONENT development)
endif()
