# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# Install rules. What runs (libNAME.so.0) is an install component for each
# library, so that a package of the GLib adapter does not bring libuv with it;
# what compiles and links is one, `dev`; the programs are `tools`.

set(TENON_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/tenon")

# tenon_pkgconfig(NAME DESCRIPTION REQUIRES LIBS): write and install
# NAME.pc. Paths are relative to the file, so that a moved tree still works.
function(tenon_pkgconfig name description requires libs)
  set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
    set(PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
  else()
    file(RELATIVE_PATH up "/p/${pc_dir}" "/p")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  endif()
  if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
  else()
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
  set(PC_NAME "${name}")
  set(PC_DESCRIPTION "${description}")
  set(PC_REQUIRES "${requires}")
  set(PC_LIBS "${libs}")
  configure_file("${tenon_SOURCE_DIR}/cmake/tenon.pc.in"
    "${tenon_BINARY_DIR}/pkgconfig/${name}.pc" @ONLY)
  install(FILES "${tenon_BINARY_DIR}/pkgconfig/${name}.pc"
    DESTINATION "${pc_dir}" COMPONENT dev)
endfunction()

# tenon_install_component(NAME INCLUDE_DIR DEPS TARGETS...): headers, libraries
# and the CMake files of one component. DEPS is CMake code for the consumer,
# run before the targets are read.
function(tenon_install_component name include_dir deps)
  install(TARGETS ${ARGN} EXPORT tenon-${name}-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${name}
    NAMELINK_COMPONENT dev
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
  install(EXPORT tenon-${name}-targets NAMESPACE tenon::
    DESTINATION "${TENON_CMAKE_DIR}" COMPONENT dev)
  set(file "${tenon_BINARY_DIR}/cmake/tenon-${name}.cmake")
  file(CONFIGURE OUTPUT "${file}" @ONLY CONTENT "# component @name@
@deps@include(\"\${CMAKE_CURRENT_LIST_DIR}/tenon-@name@-targets.cmake\")
")
  install(FILES "${file}" DESTINATION "${TENON_CMAKE_DIR}" COMPONENT dev)
  if(IS_DIRECTORY "${include_dir}/tenon")
    install(DIRECTORY "${include_dir}/tenon"
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev
      FILES_MATCHING PATTERN "*.h")
  endif()
endfunction()

function(tenon_install_core)
  tenon_install_component(core "${tenon_SOURCE_DIR}/include" ""
    tenon tenon_static)
  tenon_pkgconfig(tenon "${tenon_DESCRIPTION}" "" "-ltenon")

  configure_package_config_file(
    "${tenon_SOURCE_DIR}/cmake/tenonConfig.cmake.in"
    "${tenon_BINARY_DIR}/cmake/tenonConfig.cmake"
    INSTALL_DESTINATION "${TENON_CMAKE_DIR}")
  write_basic_package_version_file(
    "${tenon_BINARY_DIR}/cmake/tenonConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
  install(FILES
    "${tenon_BINARY_DIR}/cmake/tenonConfig.cmake"
    "${tenon_BINARY_DIR}/cmake/tenonConfigVersion.cmake"
    DESTINATION "${TENON_CMAKE_DIR}" COMPONENT dev)
endfunction()
