# SPDX-License-Identifier: GPL-2.0-only
"""Module files of the programming environments, their compilers, and ROCm.

Variables: as in the environments of PrgEnv-amd on Frontier and PrgEnv-cray on LUMI, and in LUMI's recipe of rocm.
"""

from .moduletext import ModuleText

BEHIND = "The version is the Cray PE's; behind it is Debian's LLVM, and gfortran behind the Fortran compiler."


def environment_modules(layout, release):
    """Yield the modules PrgEnv-* and the compiler of one PrgEnv.

    layout: of the stand-in. release: Release under that PrgEnv.
    """
    about = release.about
    compiler, version = release.compiler
    module = ModuleText(
        about['prgenv'],
        release.version(about['prgenv']),
        'Programming environment with the compilers of module ' + compiler,
    )
    module.family('PrgEnv').setenv(PE_ENV=release.pe_env)
    module.raw('load("%s")' % compiler, 'load("craype")')
    # without a network module there is no cray-mpich to load: go on without it, as HPE's PrgEnv does
    module.raw(*['try_load("%s")' % name for name in ('cray-dsmml', 'cray-mpich', 'cray-libsci')])
    yield module

    make = {'GNU': gnu_module, 'CRAY': cce_module, 'AOCC': aocc_module, 'AMD': amd_module}[release.pe_env]
    module = make(layout, compiler, version).family('compiler')
    trees = '%s/lmod/modulefiles' % layout.pe
    branch = '%s/%s' % (about['tree'], release.compat['abi'])
    module.setenv(CRAY_LMOD_COMPILER=branch)
    module.prepend('MODULEPATH', '%s/compiler/%s' % (trees, branch))
    module.raw(
        'local network = os.getenv("CRAY_LMOD_NETWORK")',
        'if network then',
        '    prepend_path("MODULEPATH", "%s/comnet/%s/" .. network)' % (trees, branch),
        'end',
    )
    yield module


def gnu_module(layout, name, version):
    """Return the module gcc or gcc-native."""
    module = ModuleText(
        name,
        version,
        'GNU compilers',
        "The version is the Cray PE's; the compilers are this machine's own: gcc --version tells.",
    )
    module.prepend('PATH', '%s/bin' % layout.gcc(version))
    return module.setenvs(version, 'GCC_VERSION', 'GNU_VERSION').setenvs('/usr', 'GCC_PREFIX', 'GCC_PATH')


def cce_module(layout, name, version):
    """Return the module cce."""
    prefix = layout.cce(version)
    module = ModuleText(name, version, 'Cray Compiling Environment', BEHIND)
    module.setenvs(version, 'CRAY_CC_VERSION', 'CRAY_FTN_VERSION')
    module.setenv(
        CRAYLIBS_X86_64='%s/cce/x86_64/lib' % prefix,
        CC_X86_64='%s/CC/x86_64' % prefix,
        FTN_X86_64='%s/cce/x86_64' % prefix,
    )
    module.prepend('PATH', '%s/bin' % prefix)
    return module.prepend('CRAY_LD_LIBRARY_PATH', '%s/cce/x86_64/lib' % prefix)


def aocc_module(layout, name, version):
    """Return the module aocc."""
    prefix = layout.aocc(version)
    module = ModuleText(name, version, 'AMD Optimizing C/C++ compilers', BEHIND)
    module.setenv(CRAY_AOCC_VERSION=version, CRAY_AOCC_PREFIX=prefix)
    module.prepend('PATH', '%s/bin' % prefix).prepend('LD_LIBRARY_PATH', '%s/lib' % prefix)
    return module.prepend('C_INCLUDE_PATH', '%s/include' % prefix).prepend('LIBRARY_PATH', '%s/lib' % prefix)


def amd_module(layout, name, version):
    """Return the module amd: the compilers of ROCm, which is a module of its own."""
    prefix = layout.rocm(version)
    module = ModuleText(name, version, "ROCm's compilers: amdclang, amdclang++, amdflang", BEHIND)
    module.setenvs(version, 'CRAY_AMD_COMPILER_VERSION', 'ROCM_COMPILER_VERSION')
    module.setenv(CRAY_AMD_COMPILER_PREFIX=prefix, ROCM_COMPILER_PATH='%s/llvm' % prefix)
    module.prepend('PATH', '%s/llvm/bin' % prefix, '%s/bin' % prefix)
    module.prepend('LD_LIBRARY_PATH', '%s/lib' % prefix, '%s/llvm/lib' % prefix)
    return module.prepend('CMAKE_PREFIX_PATH', str(prefix))


def rocm_module(layout, release):
    """Return the module rocm of a release."""
    version = release.version('rocm')
    prefix = layout.rocm(version)
    module = ModuleText(
        'rocm',
        version,
        'HIP and its libraries for AMD GPUs',
        "The version is the Cray PE's; behind it is Debian's ROCm 5.2: HIP, device libraries, rocPRIM.",
    )
    module.setenvs(prefix, 'ROCM_PATH', 'CRAY_ROCM_DIR', 'CRAY_ROCM_PREFIX')
    module.setenv(
        CRAY_ROCM_VERSION=version,
        HIP_LIB_PATH='%s/lib' % prefix,
        CRAY_ROCM_INCLUDE_OPTS='-I%s/include -D__HIP_PLATFORM_AMD__' % prefix,
        CRAY_ROCM_POST_LINK_OPTS='-L%s/lib -lamdhip64' % prefix,
    )
    module.prepend('PATH', '%s/bin' % prefix).prepend('LD_LIBRARY_PATH', '%s/lib' % prefix)
    module.prepend('CMAKE_PREFIX_PATH', str(prefix), '%s/lib/cmake/hip' % prefix)
    module.prepend('PKG_CONFIG_PATH', '%s/lib/pkgconfig' % prefix)
    module.prepend('PE_PKGCONFIG_LIBS', 'rocm-' + version)
    return module.append('PE_PRODUCT_LIST', 'CRAY_ROCM')
