# SPDX-License-Identifier: GPL-2.0-only
"""
BLAS and MPI by the names of their libraries: recipes that say -lflexiblas or -lmpi_cxx, where the Cray wrappers link
LibSci and Cray MPICH by themselves.
"""
import re
from functools import partial

from ..change import Change
from ..site import Site
from .base import rule
from .draft import Draft
from .folders import is_provided
from .texts import in_commands, left_out

_NAMES = re.compile(r'(?i)flexiblas|openblas|scalapack|lapacke')
_ROOT = r'\$\{?EBROOT(?:FLEXIBLAS|OPENBLAS|SCALAPACK)\}?/lib(?:64)?'
# what the linker needs no more: the folder, and the library in a list of them
_NEEDLESS = re.compile(rf'-L{_ROOT}(?![\w/])|(?<![\w-])(?<!\bs/)-l(?:flexiblas|openblas|lapacke)\b')
# Where a name has to stand, it is that of libm: every link has it, and the wrapper adds the LibSci that goes with its
# other options, serial or with OpenMP, with MPI or without. LUMI's QuantumESPRESSO says -DSCALAPACK_LIBRARIES="-lm".
_INSTEAD = tuple((re.compile(pattern), words) for pattern, words in (
    (_ROOT + r'/lib(?:flexiblas|openblas)\.(?:so|a)\b', '$LAPACK_LIB_DIR/$LAPACK_SHARED_LIBS'),
    (r'(?<![\w-])-lscalapack\b', '-lm'),
    # FindBLAS tries what the compiler links by itself first, for 'All'
    (r'(\wBLAS?_VENDOR(?::STRING)?=["\']?)(?:FlexiBLAS|OpenBLAS)\b', r'\1All'),
    (r'\binclude/flexiblas\b', 'include'),
    (r'(?<![\w-])lflexiblas\b', 'lm'),
    (r'(?<![\w.$-])flexiblas(?![\w.-])', 'm'),
))
# Open MPI's libraries beside libmpi
_OPEN_MPI = re.compile(r'(?<![\w-])-l(?:mpi_(?:cxx|f77|f90|mpifh|usempi\w*)|open-(?:rte|pal))\b')


@rule('blas-by-name', 'LibSci is linked by the wrappers, and FlexiBLAS and OpenBLAS are not there by their names')
def blas_by_name(draft: Draft, site: Site):
    """
    -lflexiblas, -lopenblas and -llapacke go, a path to such a library becomes that of LibSci, and where a build asks
    for the name of a library or for CMake's name of its vendor, it is told one with which LibSci is linked.
    """
    # for most recipes there is nothing to look for
    if not _NAMES.search(draft.recipe.text) or is_provided(draft):
        return

    def change(text: str) -> str:
        for pattern, words in _INSTEAD:
            text = pattern.sub(words, text)
        return left_out(_NEEDLESS, text)

    for parameter, before, after in in_commands(draft, change):
        yield Change(parameter, before, after, 'blas-by-name',
                     'cc, CC and ftn link LibSci, which holds BLAS, CBLAS, LAPACK, LAPACKE and ScaLAPACK')


@rule('mpi-libraries', 'Cray MPICH is linked by the wrappers, and Open MPI\'s libraries are not there',
      link='https://docs.open-mpi.org/en/main/building-apps/building-static-apps.html')
def mpi_libraries(draft: Draft, site: Site):
    """-lmpi_mpifh, -lmpi_cxx and other libraries that only Open MPI has go."""
    if '-lmpi_' not in draft.recipe.text and '-lopen-' not in draft.recipe.text or is_provided(draft):
        return
    for parameter, before, after in in_commands(draft, partial(left_out, _OPEN_MPI)):
        yield Change(parameter, before, after, 'mpi-libraries', 'cc, CC and ftn link Cray MPICH, whose libraries have '
                     'other names than Open MPI\'s', mpi_libraries.link)
