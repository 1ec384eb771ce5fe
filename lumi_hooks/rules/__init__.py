# SPDX-License-Identifier: GPL-2.0-only
"""The rules, listed once, in the order in which they act."""
from typing import Tuple

from . import (
    cmake,
    compiler,
    dependencies,
    easyblock,
    folders,
    known,
    mpi_tests,
    notations,
    options,
    override,
    python,
    pythonbuild,
    rewording,
    rocm,
    rocm_build,
    rocm_system,
    rust,
    templates,
    toolchain,
    unprovided,
    words,
)
from .base import Rule

RULES: Tuple[Rule, ...] = (
    # what the recipe means is written out before anything changes
    templates.templates, toolchain.toolchain, toolchain.other_compiler,
    notations.several_versions, notations.hidden_dependencies,
    rocm.gpu_back_end, rocm.gpu_dependencies,
    # before anything stands in for a dependency: what is added or moved is treated like any other
    known.package_dependencies, known.package_parameters,
    dependencies.impossible, easyblock.easyblock, python.python_bound,
    # what stands in for dependencies
    dependencies.toolchain_provided, dependencies.central_tools, dependencies.central_bundles, python.python_carried,
    dependencies.cray_provided, dependencies.toolchain_fft,
    pythonbuild.python_build_tools, pythonbuild.python_run_time, rust.rust_binary, dependencies.release_version,
    rocm.gpu_suffix, templates.suffix, rocm.gpu_module, rocm_system.driver_window, rocm_system.hugepages,
    # what it is built with
    compiler.compiler_strictness, known.package_words, mpi_tests.mpi_tests,
    rewording.RULES['blas-by-name'], folders.folder_by_name, rewording.RULES['mpi-by-name'],
    rewording.RULES['mpi-libraries'], cmake.cmake_finders,
    compiler.linker_strictness, words.compiler_names, words.native_target, words.fortran_words,
    # how the GPU variant is built: the package's own data first
    rocm_build.gpu_options, rocm_build.openmp_run_time, rocm_build.openmp_hip, rocm_build.gpu_target, rocm_build.gtl,
    rocm_build.hipcc_libs, rocm_system.hip_bitcode, rocm_build.gpu_tests, rocm_build.gpu_usage,
    # the user has the last word
    override.override,
    options.toolchain_options, unprovided.unprovided_names,
    # nothing of CUDA is left
    rocm_build.gpu_left,
)
