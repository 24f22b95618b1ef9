# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# Compiler and linker flags, one function per role:
#   tenon_flags(target)           all we compile: warnings, hardening
#   tenon_library_flags(target)   besides, what goes into a library

include(CheckCCompilerFlag)

# Sanitizers reach everything below this directory, examples too.
if(TENON_SANITIZE)
  add_compile_options(-fsanitize=${TENON_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TENON_SANITIZE})
endif()

# libFuzzer wants to know where its inputs lead.
if(TENON_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

set(TENON_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla
  -Wstrict-prototypes -Wmissing-prototypes)
if(TENON_WERROR)
  list(APPEND TENON_WARNINGS -Werror)
endif()

# Hardening is for optimised builds: _FORTIFY_SOURCE needs the optimiser, and
# a sanitizer wants to see the uninitialised variable, not a zero.
set(TENON_HARDENING "")
if(NOT TENON_SANITIZE)
  foreach(flag IN ITEMS -fstack-protector-strong -fstack-clash-protection
      -fcf-protection=full -ftrivial-auto-var-init=zero
      -fno-strict-overflow -fno-semantic-interposition)
    string(MAKE_C_IDENTIFIER "TENON_HAS${flag}" has)
    set(CMAKE_REQUIRED_FLAGS "-Werror")
    check_c_compiler_flag(${flag} ${has})
    unset(CMAKE_REQUIRED_FLAGS)
    if(${has})
      list(APPEND TENON_HARDENING ${flag})
    endif()
  endforeach()
  # Some distributions define it already, at their own level.
  list(APPEND TENON_HARDENING -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

set(TENON_LINK_FLAGS -Wl,-z,relro,-z,now,-z,noexecstack)
# clang leaves a sanitizer's symbols in a shared library to the executable.
if(NOT (TENON_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
  list(APPEND TENON_LINK_FLAGS -Wl,-z,defs)
endif()

function(tenon_flags target)
  set(optimised $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:${TENON_WARNINGS}>
    "$<$<AND:$<COMPILE_LANGUAGE:C>,${optimised}>:${TENON_HARDENING}>")
  get_target_property(type ${target} TYPE)
  if(type MATCHES "SHARED_LIBRARY|EXECUTABLE")
    target_link_options(${target} PRIVATE ${TENON_LINK_FLAGS})
  endif()
endfunction()

function(tenon_library_flags target)
  tenon_flags(${target})
  target_compile_definitions(${target} PRIVATE TENON_BUILDING)
  if(NOT TENON_SANITIZE)
    # A task's stack is small; a function that wants more takes it elsewhere.
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:C>:-Wframe-larger-than=4096>)
  endif()
endfunction()

# tenon_library(NAME INCLUDE_DIR SOURCES...): the sources are compiled once
# (NAME_objects) and become libNAME.so.0 (NAME) and libNAME.a (NAME_static).
function(tenon_library name include_dir)
  add_library(${name}_objects OBJECT ${ARGN})
  tenon_library_flags(${name}_objects)

  add_library(${name} SHARED $<TARGET_OBJECTS:${name}_objects>)
  tenon_flags(${name})
  set(map "${tenon_SOURCE_DIR}/cmake/tenon.map")
  target_link_options(${name} PRIVATE "-Wl,--version-script=${map}")
  set_target_properties(${name} PROPERTIES
    VERSION ${tenon_VERSION}
    SOVERSION ${tenon_VERSION_MAJOR}
    LINK_DEPENDS "${map}"
    LINKER_LANGUAGE C
    INSTALL_RPATH "$ORIGIN")

  add_library(${name}_static STATIC $<TARGET_OBJECTS:${name}_objects>)
  set_target_properties(${name}_static PROPERTIES
    OUTPUT_NAME ${name} LINKER_LANGUAGE C)

  target_include_directories(${name}_objects PRIVATE "${include_dir}")
  foreach(lib IN ITEMS ${name} ${name}_static)
    target_include_directories(${lib} INTERFACE
      "$<BUILD_INTERFACE:${include_dir}>"
      "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  endforeach()
endfunction()
