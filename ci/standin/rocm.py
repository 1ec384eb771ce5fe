# SPDX-License-Identifier: GPL-2.0-only
"""ROCm below opt/rocm-<version>: Debian's HIP and its device libraries, and the amd compilers on LLVM."""

from .compilers import flang_version, install_fortran, install_openmp
from .debian import Debian
from .layout import Problem, facts
from .steps import Staging, link, relocate, write

PC = """prefix=%(prefix)s

Name: rocm
Description: HIP (stand-in)
Version: %(version)s
Libs: -L${prefix}/lib -lamdhip64
Cflags: -I${prefix}/include -D__HIP_PLATFORM_AMD__
"""

# What the headers of HIP 5.2, made with Clang 14, need for a newer Clang: LLVM has no typed pointers in the names of
# its intrinsics any more, and Clang 19 wants a template's arguments after `template`.
MENDS = {
    'include/hip/amd_detail/amd_hip_atomic.h': [
        (
            '__builtin_amdgcn_atomic_%s(\n        address, val, __ATOMIC_RELAXED, 1 /* Device scope */, false)' % kind,
            '__builtin_amdgcn_atomic_%s32(address, val, __ATOMIC_RELAXED, "agent")' % kind,
        )
        for kind in ('inc', 'dec')
    ],
    'include/rocprim/device/detail/device_radix_sort.hpp': [('().template sort_single(', '().sort_single(')],
}


def mend(path, swaps):
    """Replace strings in a header; raise Problem if one of them is not there, as in another version.

    path: the header. swaps: list of (old, new).
    """
    text = path.read_text()
    for old, new in swaps:
        if old not in text:
            raise Problem('%s has no %r: the mends in ci/standin/rocm.py are for another version' % (path.name, old))
        text = text.replace(old, new)
    write(path, text)


def install_rocm(builder, version):
    """Install rocm/<version> and amd/<version>, which share a prefix as AMD's do.

    builder: the run. version: of the modules; what is behind is in facts.json.
    """
    layout = builder.layout
    data = facts()
    llvm = layout.llvm(data['llvm']['version'])
    prefix = layout.rocm(version)
    with Staging(prefix) as tree:
        Debian(builder).unpack(data['rocm']['packages'], tree)
        # AMD has no multiarch folders; Debian's CMake files count on theirs, so they stay and get links
        for path in (tree / 'usr').iterdir():
            path.rename(tree / path.name)
        multi = tree / 'lib/x86_64-linux-gnu'
        (tree / 'usr').rmdir()
        for path in sorted(multi.iterdir()):
            if path.name == 'amdgcn':
                link('lib/x86_64-linux-gnu/amdgcn', tree / 'amdgcn')
            elif path.name == 'cmake':
                for inner in sorted(path.iterdir()):
                    link('../x86_64-linux-gnu/cmake/' + inner.name, tree / 'lib/cmake' / inner.name)
            else:
                link('x86_64-linux-gnu/' + path.name, tree / 'lib' / path.name)
        # what they need is next to them, or, where this machine lacks it, in opt/standin/lib
        for path in sorted(multi.glob('*.so.*')):
            if not path.is_symlink():
                builder.run(
                    [layout.patchelf, '--set-rpath', '%s:%s' % ('$ORIGIN', layout.standin / 'lib'), path],
                    'patching ' + path.name,
                    log='patchelf',
                )
        swaps = [
            ('"/usr', '"%s' % prefix),
            ('ROCM_PATH /usr)', 'ROCM_PATH %s)' % prefix),
            ('HIP_CLANG_ROOT /usr)', 'HIP_CLANG_ROOT %s)' % llvm),
            ('clang++-15', 'clang++'),
            ('clang-15', 'clang'),
        ]
        for name, mends in MENDS.items():
            mend(tree / name, mends)
        for folder in ('bin', 'lib/cmake', 'lib/x86_64-linux-gnu/cmake'):
            relocate(tree / folder, swaps)
        (tree / 'llvm/bin').mkdir(parents=True)
        for path in sorted((llvm / 'bin').iterdir()):
            link(path, tree / 'llvm/bin' / path.name)
        link(llvm / 'lib/clang', tree / 'llvm/lib/clang')
        install_openmp(builder, tree / 'llvm/lib', data['environments']['AMD']['openmp'])
        install_fortran(builder, tree / 'llvm/bin/flang', 'flang', prefix / 'llvm/lib', flang_version())
        for name, target in (('amdclang', 'clang'), ('amdclang++', 'clang++'), ('amdflang', 'flang')):
            link(target, tree / 'llvm/bin' / name)
            link('../llvm/bin/' + name, tree / 'bin' / name)
        hip = data['rocm']['hip'].split('.')
        write(
            tree / 'share/hip/version',
            'HIP_VERSION_MAJOR=%s\nHIP_VERSION_MINOR=%s\nHIP_VERSION_PATCH=%s\n' % tuple(hip),
        )
        write(tree / '.info/version', data['rocm']['version'] + '\n')
        # what a program compiles for without --offload-arch, as LUMI's rocm modules have it
        write(tree / 'bin/target.lst', 'gfx90a\n')
        fields = {'prefix': prefix, 'version': data['rocm']['version']}
        write(tree / 'lib/pkgconfig' / ('rocm-%s.pc' % version), PC % fields)
