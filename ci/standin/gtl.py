# SPDX-License-Identifier: GPL-2.0-only
"""GTL, Cray MPICH's transport layer for GPU buffers: a small library of the real one's name, and its check."""

from .elf import publish
from .layout import HERE
from .steps import Staging, link

# what MPI_Init asks whether GTL is in the program; the MPI libraries need it (mpi.py)
GTL_CHECK = 'libstandin_gtl_check.so'


def install_check(builder):
    """Compile the check into opt/standin/lib."""
    folder = builder.layout.standin / 'lib'
    folder.mkdir(parents=True, exist_ok=True)
    temp = folder / ('.' + GTL_CHECK)
    builder.run(
        ['/usr/bin/gcc', '-O1', '-shared', '-fPIC', '-Wall', '-Werror', '-o', temp, '-Wl,-soname,' + GTL_CHECK]
        + [HERE / 'programs/gtl_check.c', '-ldl'],
        'compiling ' + GTL_CHECK,
    )
    temp.replace(folder / GTL_CHECK)


def install_gtl(builder, release):
    """Compile libmpi_gtl_hsa of one release: it calls HIP, as the real one does, and copies nothing."""
    layout = builder.layout
    rocm = layout.rocm(release.version('rocm'))
    name = 'libmpi_gtl_hsa.so.0'
    with Staging(layout.gtl(release)) as tree:
        builder.run(
            ['/usr/bin/gcc', '-O1', '-shared', '-fPIC', '-Wall', '-Werror', '-D__HIP_PLATFORM_AMD__']
            + ['-I', rocm / 'include', '-o', tree / name, '-Wl,-soname,' + name, HERE / 'programs/gtl_hsa.c']
            + ['-L', rocm / 'lib', '-lamdhip64', '-Wl,--allow-shlib-undefined'],
            'compiling ' + name,
        )
        link(name, tree / 'libmpi_gtl_hsa.so')
    publish(layout, layout.gtl(release))
