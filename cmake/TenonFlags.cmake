# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# Compiler and linker flags, one function per role:
#   tenon_flags(target)           all we compile: warnings, hardening
#   tenon_library_flags(target)   besides, what goes into a library
#   tenon_plain_archive(target)   a static library for any compiler

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

# An optimised shared library is seen whole by the optimiser: the calls between
# its files are a good part of what an echo costs. The objects hold ordinary
# code as well, for the static library. clang 14 cannot make such objects.
set(optimised $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
set(TENON_LTO_FLAGS "")
if(TENON_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT TENON_SANITIZE)
  check_c_compiler_flag("-flto=auto -ffat-lto-objects" TENON_HAS_FAT_LTO)
  if(TENON_HAS_FAT_LTO AND CMAKE_OBJCOPY)
    set(TENON_LTO_FLAGS "$<${optimised}:-flto=auto;-ffat-lto-objects>")
  endif()
endif()

set(TENON_LINK_FLAGS -Wl,-z,relro,-z,now,-z,noexecstack)
# clang leaves a sanitizer's symbols in a shared library to the executable.
if(NOT (TENON_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
  list(APPEND TENON_LINK_FLAGS -Wl,-z,defs)
endif()

function(tenon_flags target)
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

# What the linker's plugin would take for the optimiser's only this compiler, in
# this version, can read.
function(tenon_plain_archive target)
  if(TENON_LTO_FLAGS)
    add_custom_command(TARGET ${target} POST_BUILD
      COMMAND "$<IF:${optimised},${CMAKE_OBJCOPY},true>" --wildcard
        --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
        --strip-symbol=__gnu_lto_* $<TARGET_FILE:${target}>
      VERBATIM)
  endif()
endfunction()

# tenon_library(NAME INCLUDE_DIR SOURCES...): the sources are compiled once
# (NAME_objects) and become libNAME.so.0 (NAME) and libNAME.a (NAME_static).
function(tenon_library name include_dir)
  add_library(${name}_objects OBJECT ${ARGN})
  tenon_library_flags(${name}_objects)
  target_compile_options(${name}_objects PRIVATE
    "$<$<COMPILE_LANGUAGE:C>:${TENON_LTO_FLAGS}>")

  add_library(${name} SHARED $<TARGET_OBJECTS:${name}_objects>)
  tenon_flags(${name})
  set(map "${tenon_SOURCE_DIR}/cmake/tenon.map")
  target_link_options(${name} PRIVATE "-Wl,--version-script=${map}"
    "${TENON_LTO_FLAGS}")
  set_target_properties(${name} PROPERTIES
    VERSION ${tenon_VERSION}
    SOVERSION ${tenon_VERSION_MAJOR}
    LINK_DEPENDS "${map}"
    LINKER_LANGUAGE C
    INSTALL_RPATH "$ORIGIN")

  add_library(${name}_static STATIC $<TARGET_OBJECTS:${name}_objects>)
  set_target_properties(${name}_static PROPERTIES
    OUTPUT_NAME ${name} LINKER_LANGUAGE C)
  tenon_plain_archive(${name}_static)

  target_include_directories(${name}_objects PRIVATE "${include_dir}")
  foreach(lib IN ITEMS ${name} ${name}_static)
    target_include_directories(${lib} INTERFACE
      "$<BUILD_INTERFACE:${include_dir}>"
      "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  endforeach()
endfunction()
