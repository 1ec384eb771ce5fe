# SPDX-License-Identifier: GPL-2.0-only
"""The rules, listed once, in the order in which they act."""
from typing import Tuple

from .base import Rule
from .blas import blas_by_name, mpi_libraries
from .cmake import cmake_finders
from .compiler import compiler_strictness, linker_strictness
from .dependencies import (
    central_bundles,
    central_tools,
    cray_provided,
    impossible,
    release_version,
    toolchain_fft,
    toolchain_provided,
)
from .easyblock import easyblock
from .folders import folder_by_name, mpi_by_name
from .known import package_dependencies, package_parameters, package_words
from .mpi_tests import mpi_tests
from .notations import hidden_dependencies, several_versions
from .options import toolchain_options
from .override import override
from .python import python_bound, python_carried
from .pythonbuild import python_build_tools, python_run_time
from .rocm import gpu_back_end, gpu_dependencies, gpu_module, gpu_suffix
from .rocm_build import (
    gpu_left,
    gpu_options,
    gpu_target,
    gpu_tests,
    gpu_usage,
    gtl,
    hipcc_libs,
    openmp_hip,
    openmp_run_time,
)
from .rocm_system import driver_window, hip_bitcode, hugepages
from .rust import rust_binary
from .templates import suffix, templates
from .toolchain import other_compiler, toolchain
from .unprovided import unprovided_names
from .words import compiler_names, fortran_words, native_target

RULES: Tuple[Rule, ...] = (
    # what the recipe means is written out before anything changes
    templates, toolchain, other_compiler, several_versions, hidden_dependencies,
    gpu_back_end, gpu_dependencies,
    # before anything stands in for a dependency: what is added or moved is treated like any other
    package_dependencies, package_parameters,
    impossible, easyblock, python_bound,
    # what stands in for dependencies
    toolchain_provided, central_tools, central_bundles, python_carried, cray_provided, toolchain_fft,
    python_build_tools, python_run_time, rust_binary, release_version,
    gpu_suffix, suffix, gpu_module, driver_window, hugepages,
    # what it is built with
    compiler_strictness, package_words, mpi_tests,
    blas_by_name, folder_by_name, mpi_by_name, mpi_libraries, cmake_finders,
    linker_strictness, compiler_names, native_target, fortran_words,
    # how the GPU variant is built: the package's own data first
    gpu_options, openmp_run_time, openmp_hip, gpu_target, gtl, hipcc_libs, hip_bitcode, gpu_tests, gpu_usage,
    # the user has the last word
    override,
    toolchain_options, unprovided_names,
    # nothing of CUDA is left
    gpu_left,
)
